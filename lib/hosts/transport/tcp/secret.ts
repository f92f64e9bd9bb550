/** The secret of a cluster, as far as options need to know it. */

/** The fewest characters of a secret. A shorter one could be found by trying. */
export const minSecretChars = 16;

export const secretExpected = `a string of at least ${minSecretChars} characters, long and random, such as openssl rand -hex 32 gives`;

export function isSecret(value: unknown): value is string {
  return typeof value === 'string' && value.length >= minSecretChars;
}
