/**
 * The look of each kind of mark: shapes that differ without colour, for the timeline, its legend and the list of
 * events.
 */
import type { Mark } from '../protocol.ts';

export type MarkKind = Mark['kind'];

export interface MarkShape {
  readonly label: string;
  /** SVG, in a box of 10 × 10. */
  readonly path: string;
  readonly tone: 'danger' | 'warning' | 'accent' | 'quiet';
  readonly isOutlined: boolean;
}

/** The most severe last, so that they are painted on top. */
export const markShapes: Readonly<Record<MarkKind, MarkShape>> = {
  log: { label: 'log', path: 'M5 3 A2 2 0 1 1 4.99 3 Z', tone: 'quiet', isOutlined: false },
  skipped: { label: 'skipped', path: 'M1 4 H9 V6 H1 Z', tone: 'quiet', isOutlined: true },
  fetched: { label: 'transfer', path: 'M1 2 H9 L5 9 Z', tone: 'accent', isOutlined: false },
  overuse: { label: 'overuse', path: 'M2 2 H8 V8 H2 Z', tone: 'warning', isOutlined: false },
  recomputed: { label: 'made again', path: 'M5 1.5 A3.5 3.5 0 1 1 4.99 1.5 Z', tone: 'warning', isOutlined: true },
  retry: { label: 'retry', path: 'M5 1 L9 8 H1 Z', tone: 'warning', isOutlined: false },
  lost: { label: 'lost', path: 'M5 1.5 A3.5 3.5 0 1 1 4.99 1.5 Z', tone: 'danger', isOutlined: true },
  crash: { label: 'crash', path: 'M5 0.5 L9.5 5 L5 9.5 L0.5 5 Z', tone: 'danger', isOutlined: false },
  failed: {
    label: 'failure',
    path: 'M1.5 3 L3 1.5 L5 3.5 L7 1.5 L8.5 3 L6.5 5 L8.5 7 L7 8.5 L5 6.5 L3 8.5 L1.5 7 L3.5 5 Z',
    tone: 'danger',
    isOutlined: false,
  },
};

export const markKinds = Object.keys(markShapes) as MarkKind[];
