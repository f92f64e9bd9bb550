/** The displayed run: its name, its progress, and a button to cancel it. */
import { h, type VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { RunView } from '../../protocol.ts';
import { formatBytes, formatCount, formatDuration, formatRate, formatTime, percentOf } from '../format.ts';
import { html } from '../html.ts';
import type { ConnectionState } from '../store.ts';
import { currentTheme } from '../theme.ts';
import { ErrorView } from './error.ts';
import type { PageProps } from './props.ts';

const connections: Readonly<Record<ConnectionState, string>> = {
  connecting: 'connecting',
  live: 'live',
  lost: 'connection lost, trying again',
  report: 'report',
};

export function Header(props: PageProps): VNode {
  const { store, actions } = props;
  const { run, runs } = store;
  const theme = currentTheme();
  return html` <header class="top">
      <h1>Handoff</h1>
      ${
        runs.size > 0 &&
        html` <select
          class="run-list"
          aria-label="Run"
          value=${store.key ?? ''}
          onChange=${(event: Event) => actions.showRun((event.target as HTMLSelectElement).value)}
        >
          ${[...runs.values()]
            .toReversed()
            .map(
              (one) =>
                html` <option key=${one.key} value=${one.key} selected=${one.key === store.key}>
                  ${one.dagId} · ${formatTime(one.startedAt)} · ${one.runId} · ${one.state}
                </option>`,
            )}
        </select>`
      }
      ${run !== undefined && html`<span class=${`chip ${run.state}`} role="status">${run.state}</span>`}
      ${run !== undefined && run.state === 'running' && store.hello?.isReport !== true && h(Cancel, { ...props, key: run.key, run })}
      <span class=${`connection ${store.connection}`} role="status"
        ><i></i><span>${connections[store.connection]}</span></span
      >
      <button
        type="button"
        class="theme"
        aria-label=${theme === 'dark' ? 'Light colours' : 'Dark colours'}
        title=${theme === 'dark' ? 'Light colours' : 'Dark colours'}
        onClick=${actions.toggleTheme}
      >
        <svg viewBox="0 0 16 16" width="14" height="14" aria-hidden="true">
          <circle cx="8" cy="8" r="6.25" />
          <path d="M8 1.75 A6.25 6.25 0 0 1 8 14.25 Z" />
        </svg>
      </button>
    </header>
    ${run !== undefined && h(Progress, { ...props, run })}`;
}

function Cancel({ source, run }: PageProps & { readonly run: RunView }): VNode {
  const [state, setState] = useState<'idle' | 'sent'>('idle');
  const [problem, setProblem] = useState<string>();
  const cancel = async (): Promise<void> => {
    setState('sent');
    const answer = await source
      .cancel(run.key)
      .catch((error: unknown) => (error instanceof Error ? error.message : String(error)));
    setProblem(answer);
    if (answer !== undefined) setState('idle');
  };
  return html` <button type="button" class="cancel" disabled=${state === 'sent'} onClick=${cancel}>
      ${state === 'sent' ? 'Cancelling' : 'Cancel'}
    </button>
    ${problem !== undefined && html`<span class="note" role="alert">${problem}</span>`}`;
}

function Progress({ store, actions, run }: PageProps & { readonly run: RunView }): VNode {
  const { total, done, failed, running, state, retries, bytesFetched, remainingMs, error } = run;
  const share = (count: number): string => `${total === 0 ? 0 : (count / total) * 100}%`;
  const isRunning = state === 'running';
  const { elapsed } = store;
  const rate = isRunning ? store.rate.perSecond : elapsed > 0 ? done / (elapsed / 1000) : undefined;
  const percent = percentOf(done, total);
  // The failure that ended the run, or the first one.
  const culprit = store.data?.marks.find(({ kind, fn }) => kind === 'failed' && fn >= 0)?.fn;
  return html` <section class="progress" aria-label="Progress">
    <div
      class="bar"
      role="progressbar"
      aria-label="Functions that are done"
      aria-valuemin="0"
      aria-valuemax="100"
      aria-valuenow=${percent}
      aria-valuetext=${`${percent} %: ${done} of ${total} done, ${failed} failed`}
    >
      <i class="done" style=${{ width: share(done) }}></i><i class="failed" style=${{ width: share(failed) }}></i
      ><i class="running" style=${{ width: share(isRunning ? running : 0) }}></i>
    </div>
    <dl class="facts">
      <div class="percent">
        <dt>Progress</dt>
        <dd>${percent} %</dd>
      </div>
      <div>
        <dt>Done</dt>
        <dd>${formatCount(done)} <span class="of">of ${formatCount(total)}</span></dd>
      </div>
      <div class=${failed > 0 ? 'bad' : ''}>
        <dt>Failed</dt>
        <dd>${formatCount(failed)}</dd>
      </div>
      ${
        isRunning &&
        html`<div>
          <dt>Running</dt>
          <dd>${formatCount(running)}</dd>
        </div>`
      }
      <div>
        <dt>Rate</dt>
        <dd>${rate === undefined ? '–' : formatRate(rate)}</dd>
      </div>
      <div>
        <dt>${isRunning ? 'Elapsed' : 'Duration'}</dt>
        <dd>${formatDuration(elapsed)}</dd>
      </div>
      ${
        isRunning &&
        html`<div>
          <dt>Left, about</dt>
          <dd>${remainingMs === null ? '–' : formatDuration(remainingMs)}</dd>
        </div>`
      }
      <div>
        <dt>Retries</dt>
        <dd>${formatCount(retries)}</dd>
      </div>
      ${
        bytesFetched > 0 &&
        html`<div>
          <dt>Between hosts</dt>
          <dd>${formatBytes(bytesFetched)}</dd>
        </div>`
      }
    </dl>
    ${
      error !== null &&
      html` <details class="failure">
          <summary><span>${error.message}</span></summary>
          ${h(ErrorView, { error })}
        </details>
        ${culprit !== undefined && html`<p class="culprit">First failure: <button type="button" class="link" onClick=${() => actions.selectFunction(culprit)}>${store.data!.graph.ids[culprit]!}</button></p>`}`
    }
  </section>`;
}
