/** Keeps the selection in the address of the page, so that reload, bookmarks and back work. */

export const tabs = ['timeline', 'graph', 'nodes', 'events'] as const;
export type Tab = (typeof tabs)[number];

export interface Place {
  readonly run: string | null;
  readonly tab: Tab;
  /** The id of the selected function. */
  readonly fn: string | null;
}

/** @param hash as in `location.hash` */
export function readPlace(hash: string): Place {
  const fields = new URLSearchParams(hash.replace(/^#/, ''));
  const tab = fields.get('tab');
  return { run: fields.get('run'), tab: tabs.find((one) => one === tab) ?? 'timeline', fn: fields.get('fn') };
}

export function writePlace({ run, tab, fn }: Place): string {
  const fields = new URLSearchParams();
  if (run !== null) fields.set('run', run);
  if (tab !== 'timeline') fields.set('tab', tab);
  if (fn !== null) fields.set('fn', fn);
  const text = fields.toString();
  return text === '' ? '#' : `#${text}`;
}
