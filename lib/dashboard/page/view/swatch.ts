/** The look of a name as a small picture beside text. */
import type { VNode } from 'preact';
import { lookOf, type Theme } from '../colors.ts';
import { html } from '../html.ts';

export function Swatch({ place, theme }: { readonly place: number; readonly theme: Theme }): VNode {
  const { color, isHatched } = lookOf(place, theme);
  return html` <svg class="swatch" viewBox="0 0 10 10" width="10" height="10" aria-hidden="true">
    <rect width="10" height="10" rx="2" style=${{ fill: color }} />
    ${isHatched && html`<path class="hatch" d="M-1 5 L5 -1 M0 10 L10 0 M5 11 L11 5" />`}
  </svg>`;
}
