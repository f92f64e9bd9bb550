/** The shared secret of hosts, as far as options need it. */

/** The minimum length of a secret. A shorter one could be guessed. */
export const minSecretChars = 16;

export const secretExpected = `a string of at least ${minSecretChars} characters, long and random, such as the output of openssl rand -hex 32`;

export function isSecret(value: unknown): value is string {
  return typeof value === 'string' && value.length >= minSecretChars;
}
