import { HandoffError } from './errors.ts';

/**
 * Loads a package that users need only for some options.
 *
 * @param name the package
 * @param needs.who the subject of the message, such as "transport { type: 'nats' }"
 * @param needs.option the option that asks for it
 * @throws `INVALID_OPTION` when it cannot be loaded, which says how to install it
 */
export async function optionalPackage<Exports>(
  name: string,
  { who, option }: { readonly who: string; readonly option: string },
  load: () => Promise<Exports>,
): Promise<Exports> {
  try {
    return await load();
  } catch (cause) {
    throw new HandoffError(
      'INVALID_OPTION',
      `${who} needs the package ${name}, which cannot be loaded. Run: npm install ${name}`,
      { option, cause },
    );
  }
}
