/** The functions of one box of a grouped graph. */
import { h, type VNode } from 'preact';
import { formatCount, formatDuration } from '../format.ts';
import { functionsOf } from '../grouping.ts';
import { html } from '../html.ts';
import type { RunData } from '../run-data.ts';
import { FunctionList } from './function-list.ts';
import type { PageProps } from './props.ts';

export function NamePanel({ highlight, actions, data }: PageProps & { readonly data: RunData }): VNode {
  const { countOf, timeOf, graph } = data;
  const functions = functionsOf(graph).filter((fn) => graph.code[fn] === highlight);
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
    ${h(FunctionList, { data, functions, level: 3, onPick: actions.selectFunction })}
  </aside>`;
}
