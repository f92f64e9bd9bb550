/** The legend of colours and marks, with counts and durations. Selecting a name highlights it. */
import { h, type VNode } from 'preact';
import type { Theme } from '../colors.ts';
import { formatCount, formatDuration } from '../format.ts';
import { html } from '../html.ts';
import { markKinds, markShapes } from '../mark-shapes.ts';
import type { RunData } from '../run-data.ts';
import { MarkGlyph } from './mark-glyph.ts';
import { Swatch } from './swatch.ts';

export interface LegendProps {
  readonly data: RunData;
  readonly places: Uint8Array;
  readonly highlight: number;
  readonly theme: Theme;
  /** @param name the name to highlight; -1: none */
  readonly onPick: (name: number) => void;
}

export function Legend({ data, places, highlight, theme, onPick }: LegendProps): VNode {
  const { graph, countOf, timeOf } = data;
  const names = graph.names.map((_, name) => name).sort((a, b) => timeOf[b]! - timeOf[a]!);
  const kinds = markKinds.filter((kind) => data.marks.some((mark) => mark.kind === kind)).toReversed();
  return html` <div class="legend">
    <ul aria-label="Functions by name">
      ${names.map(
        (name) =>
          html` <li key=${name}>
            <button
              type="button"
              aria-pressed=${highlight === name}
              title="Highlight these functions"
              onClick=${() => onPick(highlight === name ? -1 : name)}
            >
              ${h(Swatch, { place: places[name]!, theme })}
              <span class="name">${graph.names[name]!}</span>
              <span class="figures">${formatCount(countOf[name]!)} · ${formatDuration(timeOf[name]!)}</span>
            </button>
          </li>`,
      )}
    </ul>
    ${
      kinds.length > 0 &&
      html` <ul class="marks" aria-label="Marks">
        ${kinds.map((kind) => html`<li key=${kind}>${h(MarkGlyph, { kind })} ${markShapes[kind].label}</li>`)}
      </ul>`
    }
  </div>`;
}
