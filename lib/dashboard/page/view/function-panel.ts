/** Details of one function: arguments, attempts, result, and the functions that need it. */
import { h, type VNode } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { FunctionView } from '../../protocol.ts';
import { formatAmount, formatBytes, formatDuration, plural } from '../format.ts';
import { viewFromData } from '../function-view.ts';
import { html } from '../html.ts';
import type { RunData } from '../run-data.ts';
import { stateNames } from '../run-data.ts';
import { ErrorView } from './error.ts';
import type { PageProps } from './props.ts';
import { StateGlyph } from './state-glyph.ts';

/** ms between requests: the reason why a function waits changes without an event. */
const askAgain = 1000;
const maxLinks = 40;

export function FunctionPanel({
  store,
  source,
  selected,
  actions,
  data,
}: PageProps & { readonly data: RunData }): VNode {
  const [view, setView] = useState<{
    readonly fn: number;
    readonly view: FunctionView | undefined;
    readonly problem?: string;
  }>();
  const [turn, setTurn] = useState(0);
  const heading = useRef<HTMLHeadingElement>(null);
  const isRunning = store.run?.state === 'running';
  const state = data.states[selected]!;
  const isOpen = isRunning && (stateNames[state] === 'waiting' || stateNames[state] === 'running');

  useEffect(() => {
    let isWanted = true;
    source.functionView(data.key, selected).then(
      (answer) => isWanted && setView({ fn: selected, view: answer }),
      (error: unknown) =>
        isWanted &&
        setView({ fn: selected, view: undefined, problem: error instanceof Error ? error.message : String(error) }),
    );
    return () => {
      isWanted = false;
    };
  }, [data, selected, state, data.attempts[selected], isRunning, turn]);
  useEffect(() => {
    if (!isOpen) return;
    const timer = setInterval(() => setTurn((now) => now + 1), askAgain);
    return () => clearInterval(timer);
  }, [isOpen]);
  useEffect(() => heading.current!.focus({ preventScroll: matchMedia('(min-width: 900px)').matches }), [selected]);

  const own = viewFromData(data, selected);
  const answer = view?.fn === selected ? view.view : undefined;
  const shown = answer ?? own;
  const go = (id: string): void => {
    const fn = data.index.get(id);
    if (fn !== undefined) actions.selectFunction(fn);
  };
  // The page's own data may be newer than the answer, and includes the running attempt.
  const { begun, ended, attempts, node, thread } =
    answer !== undefined && answer.attempts >= own.attempts && stateNames[state] !== 'running' ? answer : own;
  const took =
    begun === null
      ? '–'
      : ended !== null
        ? formatDuration(ended - begun)
        : isRunning
          ? `${formatDuration(store.elapsed - begun)} so far`
          : '–';

  return html` <aside class="panel" aria-label="Function">
    <header>
      <h2 ref=${heading} tabindex="-1">${shown.id}</h2>
      <button type="button" aria-label="Close" title="Close (Escape)" onClick=${() => actions.selectFunction(-1)}>
        ×
      </button>
    </header>
    <p class="kind">
      <span class=${`chip ${stateNames[state]!}`}>${h(StateGlyph, { state })} ${data.wordFor(state)}</span>
      <code>${shown.name}</code>${shown.module !== null && html` <span class="module">${shown.module}</span>`}
    </p>
    ${view?.problem !== undefined && html`<p class="note">${view.problem}</p>`}
    ${answer === undefined && view?.fn === selected && store.hello?.isReport === true && html`<p class="note">The report has no arguments of this function.</p>`}
    ${
      shown.error !== null &&
      html`<section>
        <h3>Error</h3>
        ${h(ErrorView, { error: shown.error })}
      </section>`
    }
    ${
      stateNames[state] === 'waiting' &&
      shown.explain !== null &&
      html`<section>
        <h3>Why it has not begun</h3>
        <p>${shown.explain}</p>
      </section>`
    }
    <section>
      <h3>Attempt</h3>
      <dl>
        ${fact('Attempts', attempts === 0 ? 'none has ended' : String(attempts))}
        ${fact('Node', node === null ? '–' : thread === null ? node : `${node}, thread ${thread}`)}
        ${fact('Began', begun === null ? '–' : `${formatDuration(begun)} after the start`)} ${fact('Time', took)}
        ${fact('Result', shown.bytes > 0 ? `${formatBytes(shown.bytes)} in shared memory` : stateNames[state] === 'done' ? 'a plain value' : '–')}
        ${fact(
          'Cost',
          shown.cost === null || Object.keys(shown.cost).length === 0
            ? 'none'
            : Object.entries(shown.cost)
                .map(([name, amount]) => `${name} ${formatAmount(name, amount)}`)
                .join(', '),
        )}
      </dl>
    </section>
    <section>
      <h3>Arguments</h3>
      ${
        shown.args.length === 0
          ? html`<p class="none">None.</p>`
          : html` <ol class="args">
                ${shown.args
                  .slice(0, maxLinks)
                  .map(
                    (arg) =>
                      html`<li>
                        ${
                          'result' in arg
                            ? html`<button type="button" class="link" onClick=${() => go(arg.result)}>
                                  ${arg.result}</button
                                >${arg.bytes > 0 && html` <span class="size">${formatBytes(arg.bytes)}</span>`}`
                            : html`<code>${arg.literal}</code>`
                        }
                      </li>`,
                  )}
              </ol>
              ${more(shown.args.length)}`
      }
    </section>
    <section>
      <h3>Needed by</h3>
      ${
        shown.dependents.length === 0
          ? html`<p class="none">Nothing else.</p>`
          : html` <ul class="links">
                ${shown.dependents.slice(0, maxLinks).map((id) => html`<li key=${id}><button type="button" class="link" onClick=${() => go(id)}>${id}</button></li>`)}
              </ul>
              ${more(shown.dependents.length)}`
      }
    </section>
  </aside>`;
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
