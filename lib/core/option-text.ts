/** Declared options in words, for tables, docstrings and the help of the command. */
import { aboutOf, type Options, type Unit } from './options.ts';

export type Entry = Options['entries'][string];

/** The description as a sentence, with the unit: "Time between heartbeats, in ms." */
export function sentenceOf(entry: Entry): string {
  const { description, unit } = aboutOf(entry);
  return unit === undefined ? description : `${description}, in ${unit}.`;
}

/** What applies without the option; undefined if nothing does, or if the option is required. */
export function defaultOf(entry: Entry): string | undefined {
  const { otherwise, unit } = aboutOf(entry);
  if (otherwise !== undefined) return otherwise;
  const value = 'default' in entry ? (entry.default as unknown) : undefined;
  if (typeof value === 'number') return numberText(value, unit);
  if (typeof value === 'string') return `\`'${value}'\``;
  return typeof value === 'boolean' ? `\`${value}\`` : undefined;
}

/** "16 MiB", "30,000 ms", "none" for no limit */
function numberText(value: number, unit: Unit | undefined): string {
  if (value === Infinity) return 'none';
  if (unit === 'bytes' && value % 2 ** 20 === 0) return `${value / 2 ** 20} MiB`;
  return unit === undefined ? String(value) : `${value.toLocaleString('en')} ${unit}`;
}
