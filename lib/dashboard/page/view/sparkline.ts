/** A small chart of a node's capability over the last minutes. */
import type { VNode } from 'preact';
import { maxHistoryMs, type Series } from '../history.ts';
import { html } from '../html.ts';

const width = 240;
const height = 34;
/** ms. A shorter history grows from the right. */
const minSpanMs = 20_000;

/** @param label a text alternative */
export function Sparkline({ series, label }: { readonly series: Series; readonly label: string }): VNode {
  const { at, declared, claimed, used } = series;
  const now = at.at(-1) ?? 0;
  const span = Math.min(Math.max(now - (at[0] ?? now), minSpanMs), maxHistoryMs);
  const from = now - span;
  const most = Math.max(...declared, ...claimed, ...used.map((value) => value ?? 0), 1e-9);
  const x = (time: number): number => ((time - from) / span) * width;
  const y = (value: number): number => height - 1 - (value / most) * (height - 4);
  const steps = (values: readonly (number | null)[]): string => {
    let path = '';
    for (const [i, value] of values.entries()) {
      if (value === null) continue;
      path += path === '' ? `M${round(x(at[i]!))} ${round(y(value))}` : `H${round(x(at[i]!))}V${round(y(value))}`;
    }
    return path;
  };
  const area = steps(claimed);
  return html` <svg
    class="spark"
    viewBox=${`0 0 ${width} ${height}`}
    preserveAspectRatio="none"
    role="img"
    aria-label=${label}
  >
    ${area !== '' && html`<path class="claimed" d=${`${area}V${height}H${round(x(at[0]!))}Z`} />`}
    <path class="declared" d=${steps(declared)} />
    <path class="used" d=${steps(used)} />
  </svg>`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
