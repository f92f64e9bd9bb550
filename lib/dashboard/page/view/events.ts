/** The list of marks: failures, retries, transfers, crashes and logs. */
import { h, type VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { Mark } from '../../protocol.ts';
import { formatCount, formatDuration, plural } from '../format.ts';
import { html } from '../html.ts';
import { type MarkKind, markKinds, markShapes } from '../mark-shapes.ts';
import { MarkGlyph } from './mark-glyph.ts';
import type { PageProps } from './props.ts';

const maxShown = 200;

export function Events({ store, actions }: PageProps): VNode {
  const [only, setOnly] = useState<MarkKind>();
  const { data } = store;
  if (data === undefined || data.marks.length === 0)
    return html`<p class="empty">Nothing out of the ordinary: no failure, retry, transfer or log.</p>`;
  const counts = new Map<MarkKind, number>();
  for (const { kind } of data.marks) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  const wanted = only === undefined ? data.marks : data.marks.filter(({ kind }) => kind === only);
  const shown = wanted.slice(-maxShown).toReversed();
  const target = (mark: Mark): VNode | false =>
    mark.fn >= 0 &&
    html`<button type="button" class="link" onClick=${() => actions.selectFunction(mark.fn)}>
      ${data.graph.ids[mark.fn]!}
    </button>`;
  return html` <div class="events">
    <div class="toolbar" role="group" aria-label="Kinds">
      <button type="button" aria-pressed=${only === undefined} onClick=${() => setOnly(undefined)}>
        All ${formatCount(data.marks.length)}
      </button>
      ${markKinds
        .toReversed()
        .filter((kind) => counts.has(kind))
        .map(
          (kind) =>
            html` <button
              type="button"
              key=${kind}
              aria-pressed=${only === kind}
              onClick=${() => setOnly(only === kind ? undefined : kind)}
            >
              ${h(MarkGlyph, { kind })} ${markShapes[kind].label} ${formatCount(counts.get(kind)!)}
            </button>`,
        )}
    </div>
    <ol>
      ${shown.map(
        (mark) =>
          html` <li class=${markShapes[mark.kind].tone}>
            <span class="at">${formatDuration(mark.at)}</span>
            <span class="kind">${h(MarkGlyph, { kind: mark.kind })} ${markShapes[mark.kind].label}</span>
            <span class="text"
              >${target(mark)}
              <span>${mark.text}</span> ${mark.node !== null && html`<span class="node">${mark.node}</span>`}</span
            >
          </li>`,
      )}
    </ol>
    ${wanted.length > maxShown && html`<p class="none">and ${plural(wanted.length - maxShown, 'earlier one')}</p>`}
  </div>`;
}
