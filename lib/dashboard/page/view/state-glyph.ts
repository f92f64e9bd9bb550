/** The state of a function as an icon that differs without colour. */
import type { VNode } from 'preact';
import { html } from '../html.ts';
import { stateNames } from '../run-data.ts';

const paths = [
  'M5 1.5 A3.5 3.5 0 1 1 4.99 1.5 Z',
  'M5 1 A4 4 0 0 1 5 9 Z M5 1.5 A3.5 3.5 0 1 1 4.99 1.5 Z',
  'M1.5 5.2 L4 7.8 L8.6 2.4',
  'M2 2 L8 8 M8 2 L2 8',
  'M1.5 5 H3.5 M6.5 5 H8.5',
  'M1.5 3.9 L4 6.5 L8.6 1.1 M1.5 9 H8.5',
  'M2 2.5 H8 M2 5 H8 M2 7.5 H8',
];

export interface StateGlyphProps {
  /** `State` */
  readonly state: number;
  /** Position inside another picture, in pixels. */
  readonly x?: number;
  readonly y?: number;
}

export function StateGlyph({ state, x = 0, y = 0 }: StateGlyphProps): VNode {
  return html`<svg
    class=${`state ${stateNames[state]!}`}
    x=${x}
    y=${y}
    viewBox="0 0 10 10"
    width="10"
    height="10"
    aria-hidden="true"
  >
    <path d=${paths[state]} />
  </svg>`;
}
