import { HandoffError } from './errors.ts';

/** What asks for a package that not all users install. */
interface Need {
  /** The subject of the message, such as "transport { type: 'nats' }". */
  readonly who: string;
  /** The option that asks for it. */
  readonly option: string;
}

/**
 * Loads a package that users need only for some options.
 *
 * @param name the package
 * @throws `INVALID_OPTION` when it cannot be loaded, which says how to install it
 */
export async function optionalPackage<Exports>(
  name: string,
  need: Need,
  load: () => Promise<Exports>,
): Promise<Exports> {
  try {
    return await load();
  } catch (cause) {
    throw missingPackage(name, need, cause);
  }
}

/** The error of a package that cannot be loaded. */
export function missingPackage(name: string, { who, option }: Need, cause: unknown): HandoffError {
  return new HandoffError(
    'INVALID_OPTION',
    `${who} needs the package ${name}, which cannot be loaded. Run: npm install ${name}`,
    { option, cause },
  );
}
