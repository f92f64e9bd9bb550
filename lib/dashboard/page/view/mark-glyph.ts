/** A mark as a small picture beside text. */
import type { VNode } from 'preact';
import { html } from '../html.ts';
import { type MarkKind, markShapes } from '../mark-shapes.ts';

export function MarkGlyph({ kind }: { readonly kind: MarkKind }): VNode {
  const { path, tone, isOutlined } = markShapes[kind];
  return html`<svg
    class=${`glyph ${tone} ${isOutlined ? 'outlined' : ''}`}
    viewBox="0 0 10 10"
    width="10"
    height="10"
    aria-hidden="true"
  >
    <path d=${path} />
  </svg>`;
}
