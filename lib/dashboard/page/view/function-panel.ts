/** Details of one function: arguments, attempts, result, and the functions that need it. */
import { h, type VNode } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import type { FunctionView } from '../../protocol.ts';
import { formatAmount, formatBytes, formatCount, formatDuration, plural } from '../format.ts';
import { viewFromData } from '../function-view.ts';
import { countStates } from '../grouping.ts';
import { html } from '../html.ts';
import { type RunData, stateNames } from '../run-data.ts';
import { ErrorView } from './error.ts';
import { FunctionList } from './function-list.ts';
import type { PageProps } from './props.ts';
import { StateGlyph } from './state-glyph.ts';
import { type FunctionAnswer, useFunctionView } from './use-function-view.ts';

const maxLinks = 40;

/** Selects the function with this id. */
type Go = (id: string) => void;

export function FunctionPanel({
  store,
  source,
  selected,
  actions,
  data,
}: PageProps & { readonly data: RunData }): VNode {
  const heading = useRef<HTMLHeadingElement>(null);
  const isRunning = store.run?.state === 'running';
  const answer = useFunctionView(source, data, selected, isRunning);
  useEffect(() => heading.current!.focus({ preventScroll: matchMedia('(min-width: 900px)').matches }), [selected]);

  const own = viewFromData(data, selected);
  const shown = answer?.view ?? own;
  const attempt = newer(answer?.view, own);
  const go: Go = (id) => {
    const fn = data.index.get(id);
    if (fn !== undefined) actions.selectFunction(fn);
  };
  return html`<aside class="panel" aria-label="Function">
    <header>
      <h2 ref=${heading} tabindex="-1">${shown.id}</h2>
      <button type="button" aria-label="Close" title="Close (Escape)" onClick=${() => actions.selectFunction(-1)}>
        ×
      </button>
    </header>
    ${kindLine(shown, data, data.states[selected]!)} ${answerNotes(answer, store.hello?.isReport === true)}
    ${errorSection(shown)} ${own.state === 'waiting' && waitSection(shown)}
    <section>
      <h3>Attempt</h3>
      <dl>
        ${attemptFacts(attempt, isRunning ? store.elapsed : undefined)} ${fact('Result', resultText(shown, own.state))}
        ${fact('Cost', costText(shown))}
      </dl>
    </section>
    ${argumentsSection(shown, go)} ${dependentsSection(shown, go)} ${ownerSection(data, selected, go)}
    ${insideSection(data, selected, actions.selectFunction)}
  </aside>`;
}

/** The page's own data may be newer than the answer, and includes the running attempt. */
function newer(answered: FunctionView | undefined, own: FunctionView): FunctionView {
  return answered !== undefined && answered.attempts >= own.attempts && own.state !== 'running' ? answered : own;
}

function kindLine({ name, module }: FunctionView, data: RunData, state: number): VNode {
  return html`<p class="kind">
    <span class=${`chip ${stateNames[state]!}`}>${h(StateGlyph, { state })} ${data.wordFor(state)}</span>
    <code>${name}</code>${module !== null && html` <span class="module">${module}</span>`}
  </p>`;
}

/** Says why details are missing. */
function answerNotes(answer: FunctionAnswer | undefined, isReport: boolean): VNode[] {
  if (answer === undefined) return [];
  const notes = [answer.problem];
  if (isReport && answer.view === undefined) notes.push('The report has no arguments of this function.');
  return notes.filter((note) => note !== undefined).map((note) => html`<p class="note">${note}</p>`);
}

function errorSection({ error }: FunctionView): VNode | false {
  return (
    error !== null &&
    html`<section>
      <h3>Error</h3>
      ${h(ErrorView, { error })}
    </section>`
  );
}

function waitSection({ explain }: FunctionView): VNode | false {
  return (
    explain !== null &&
    html`<section>
      <h3>Why it has not begun</h3>
      <p>${explain}</p>
    </section>`
  );
}

/** @param now ms from the run's start; undefined when the run is over */
function attemptFacts({ attempts, state, node, thread, begun, ended }: FunctionView, now: number | undefined): VNode[] {
  const place = node !== null && thread !== null ? `${node}, thread ${thread}` : (node ?? '–');
  return [
    fact('Attempts', attempts === 0 ? withoutAttempt(state) : String(attempts)),
    fact('Node', place),
    fact('Began', begun === null ? '–' : `${formatDuration(begun)} after the start`),
    fact('Time', timeText(begun, ended, now)),
  ];
}

function withoutAttempt(state: FunctionView['state']): string {
  if (state === 'restored') return 'none here: it was done by an earlier process';
  return state === 'cached' ? 'none: its result comes from the cache' : 'none has ended';
}

function timeText(begun: number | null, ended: number | null, now: number | undefined): string {
  if (begun === null) return '–';
  if (ended !== null) return formatDuration(ended - begun);
  return now === undefined ? '–' : `${formatDuration(now - begun)} so far`;
}

function resultText({ bytes }: FunctionView, state: FunctionView['state']): string {
  if (bytes > 0) return `${formatBytes(bytes)} in shared memory`;
  return state === 'done' ? 'a plain value' : '–';
}

function costText({ cost }: FunctionView): string {
  const amounts = Object.entries(cost ?? {}).map(([name, amount]) => `${name} ${formatAmount(name, amount)}`);
  return amounts.join(', ') || 'none';
}

function argumentsSection({ args }: FunctionView, go: Go): VNode {
  const list = (): VNode =>
    html`<ol class="args">
      ${args.slice(0, maxLinks).map((arg) => html`<li>${'result' in arg ? resultLink(arg, go) : html`<code>${arg.literal}</code>`}</li>`)}
    </ol>`;
  return html`<section>
    <h3>Arguments</h3>
    ${args.length === 0 ? html`<p class="none">None.</p>` : [list(), more(args.length)]}
  </section>`;
}

function resultLink({ result, bytes }: { readonly result: string; readonly bytes: number }, go: Go): (VNode | false)[] {
  return [link(result, go), bytes > 0 && html` <span class="size">${formatBytes(bytes)}</span>`];
}

function dependentsSection({ dependents }: FunctionView, go: Go): VNode {
  const list = (): VNode =>
    html`<ul class="links">
      ${dependents.slice(0, maxLinks).map((id) => html`<li key=${id}>${link(id, go)}</li>`)}
    </ul>`;
  return html`<section>
    <h3>Needed by</h3>
    ${dependents.length === 0 ? html`<p class="none">Nothing else.</p>` : [list(), more(dependents.length)]}
  </section>`;
}

/** The map of an element, or the function that answered with its graph. */
function ownerSection(data: RunData, fn: number, go: Go): VNode | false {
  const owner = data.ownerOf(fn);
  return (
    owner >= 0 &&
    html`<section>
      <h3>Part of</h3>
      <p>${link(data.graph.ids[owner]!, go)}</p>
    </section>`
  );
}

/** The elements of a map, or the graph that a function answered with. */
function insideSection(data: RunData, fn: number, onPick: (fn: number) => void): VNode | false {
  const brought = data.broughtBy(fn);
  if (brought === undefined) return false;
  const { first, count, isMap } = brought;
  const functions = Array.from({ length: count }, (_, k) => first + k);
  const counts = countStates(functions, data.states);
  return html`<section class="inside">
    <h3>${isMap ? plural(count, 'element') : `${plural(count, 'function')} inside`}</h3>
    <ul class="states">
      ${data
        .statesOf(counts)
        .map(
          (state) =>
            html`<li key=${state}>
              ${h(StateGlyph, { state })} ${formatCount(counts[state]!)} ${data.wordFor(state)}
            </li>`,
        )}
    </ul>
    ${h(FunctionList, { data, functions, level: 4, onPick })}
  </section>`;
}

function link(id: string, go: Go): VNode {
  return html`<button type="button" class="link" onClick=${() => go(id)}>${id}</button>`;
}

function fact(name: string, value: string): VNode {
  return html`<div key=${name}>
    <dt>${name}</dt>
    <dd>${value}</dd>
  </div>`;
}

function more(count: number): VNode | false {
  return count > maxLinks && html`<p class="none">and ${plural(count - maxLinks, 'more', 'more')}</p>`;
}
