/** The functions of one box of a grouped graph: failed, running, longest and waiting ones, as links. */
import { h, type VNode } from 'preact';
import { formatCount, formatDuration } from '../format.ts';
import { longestOf } from '../grouping.ts';
import { html } from '../html.ts';
import { type RunData, State } from '../run-data.ts';
import type { PageProps } from './props.ts';
import { StateGlyph } from './state-glyph.ts';

const maxFunctions = 12;
const headings: readonly (readonly [state: number, heading: string])[] = [
  [State.failed, 'Failed'],
  [State.running, 'Running'],
  [State.done, 'Took longest'],
  [State.waiting, 'Waiting'],
  [State.skipped, 'Skipped'],
];

export function NamePanel({ highlight, actions, data }: PageProps & { readonly data: RunData }): VNode {
  const { countOf, timeOf, begun, ended, graph } = data;
  const timeFor = (fn: number): string => (ended[fn]! >= begun[fn]! ? formatDuration(ended[fn]! - begun[fn]!) : '');
  return html` <aside class="panel" aria-label="Functions of a name">
    <header>
      <h2>${graph.names[highlight]!}</h2>
      <button type="button" aria-label="Close" title="Close (Escape)" onClick=${() => actions.highlightName(-1)}>
        ×
      </button>
    </header>
    <p class="kind">
      ${formatCount(countOf[highlight]!)} ended, in ${formatDuration(timeOf[highlight]!)}
      together${countOf[highlight]! > 0 && `, ${formatDuration(timeOf[highlight]! / countOf[highlight]!)} each`}
    </p>
    ${headings.map(([state, heading]) => {
      const functions = longestOf(data, highlight, state, maxFunctions);
      return (
        functions.length > 0 &&
        html` <section key=${state}>
          <h3>${state === State.waiting && data.isOver ? 'Not finished' : heading}</h3>
          <ul>
            ${functions.map(
              (fn) =>
                html` <li key=${fn}>
                  ${h(StateGlyph, { state })} <span class="hidden">${data.wordFor(state)}</span>
                  <button type="button" class="link" onClick=${() => actions.selectFunction(fn)}>
                    ${graph.ids[fn]!}
                  </button>
                  <span class="size">${timeFor(fn)}</span>
                </li>`,
            )}
          </ul>
        </section>`
      );
    })}
  </aside>`;
}
