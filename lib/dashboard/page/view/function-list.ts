/** Functions as links, by state: failed, running, longest, waiting and skipped ones. */
import { h, type VNode } from 'preact';
import { formatDuration, plural } from '../format.ts';
import { countStates, longestFirst } from '../grouping.ts';
import { html } from '../html.ts';
import { type RunData, State } from '../run-data.ts';
import { StateGlyph } from './state-glyph.ts';

const maxFunctions = 12;
const headings: readonly (readonly [state: number, heading: string])[] = [
  [State.failed, 'Failed'],
  [State.running, 'Running'],
  [State.done, 'Took longest'],
  [State.waiting, 'Waiting'],
  [State.skipped, 'Skipped'],
  [State.restored, 'Done by an earlier process'],
  [State.cached, 'From the cache'],
];

export interface FunctionListProps {
  readonly data: RunData;
  readonly functions: readonly number[];
  /** The level of its headings. */
  readonly level: 3 | 4;
  readonly onPick: (fn: number) => void;
}

export function FunctionList({ data, functions, level, onPick }: FunctionListProps): VNode[] {
  const { begun, ended, graph, states } = data;
  const counts = countStates(functions, states);
  const timeFor = (fn: number): string => (ended[fn]! >= begun[fn]! ? formatDuration(ended[fn]! - begun[fn]!) : '');
  return headings
    .filter(([state]) => counts[state]! > 0)
    .map(([state, heading]) => {
      const left = counts[state]! - maxFunctions;
      return html` <section key=${state}>
        ${h(`h${level}`, null, state === State.waiting && data.isOver ? 'Not finished' : heading)}
        <ul>
          ${longestFirst(data, functions, state, maxFunctions).map(
            (fn) =>
              html` <li key=${fn}>
                ${h(StateGlyph, { state })} <span class="hidden">${data.wordFor(state)}</span>
                <button type="button" class="link" onClick=${() => onPick(fn)}>${graph.ids[fn]!}</button>
                <span class="size">${timeFor(fn)}</span>
              </li>`,
          )}
        </ul>
        ${left > 0 && html`<p class="none">and ${plural(left, 'more', 'more')}</p>`}
      </section>`;
    });
}
