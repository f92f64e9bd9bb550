/** The graph of a run: boxes in layers, coloured by state. */
import { type ComponentChild, h, type VNode } from 'preact';
import { useMemo, useState } from 'preact/hooks';
import { lookOf } from '../colors.ts';
import { formatCount, plural } from '../format.ts';
import {
  type Box,
  countStates,
  functionsOf,
  hasRoomFor,
  isSmall,
  type Owner,
  type Picture,
  pictureOfFunctions,
  pictureOfGroups,
} from '../grouping.ts';
import { html } from '../html.ts';
import { buttonWidth, hasCounts, layoutPicture, lettersIn, pathThrough, type PlacedBox } from '../layout.ts';
import { combinedState, doneStates, type RunData, State, stateNames } from '../run-data.ts';
import { currentTheme } from '../theme.ts';
import { usePanZoom } from './pan-zoom.ts';
import type { PageProps } from './props.ts';
import { StateGlyph } from './state-glyph.ts';

export function Graph(props: PageProps): ComponentChild {
  const { data } = props.store;
  if (data === undefined)
    return html`<p class="empty">
      ${props.store.key === null ? 'No run yet. The graph of the first run will appear here.' : 'Loading the graph …'}
    </p>`;
  return h(GraphOfRun, { ...props, data, key: data.key });
}

function GraphOfRun({ data, selected, highlight, places, actions }: PageProps & { readonly data: RunData }): VNode {
  const [open, setOpen] = useState<ReadonlySet<number>>(new Set());
  const small = useMemo(() => isSmall(data.graph, open), [data.graph, open]);
  const [wantsGroups, setWantsGroups] = useState(false);
  const isGrouped = !small || wantsGroups;
  const picture = useMemo(
    () => (isGrouped ? pictureOfGroups(data.graph) : pictureOfFunctions(data.graph, open)),
    [data.graph, open, isGrouped],
  );
  // A run that grows inside of closed boxes keeps its layout, and so the place that the reader looks at.
  const shape = JSON.stringify([picture.links, picture.boxes.map((box) => [box.label, hasCounts(box, isGrouped)])]);
  const layout = useMemo(() => layoutPicture(picture), [shape]);
  const focus = useMemo(() => (selected < 0 ? undefined : layout.boxes[picture.boxOf[selected]!]), [layout, selected]);
  const { ref, transform, fit, zoom, wasDragged } = usePanZoom(layout.width, layout.height, layout, focus);
  const paths = useMemo(() => layout.links.map(({ points }) => pathThrough(points)), [layout]);
  const all = useMemo(() => functionsOf(data.graph), [data.graph]);
  const totals = countStates(all, data.states);
  const near = selected < 0 || isGrouped ? undefined : nearOf(data, picture, selected);

  const pick = (box: Box): void => {
    if (wasDragged()) return;
    if (picture.isGrouped) actions.highlightName(highlight === box.name ? -1 : box.name);
    else actions.selectFunction(box.owner?.fn ?? box.functions[0]!);
  };
  const toggle = ({ fn, isOpen }: Owner): void => {
    if (!wasDragged()) setOpen(new Set(isOpen ? [...open].filter((each) => each !== fn) : [...open, fn]));
  };

  return html` <div class="graph">
    <div class="toolbar">
      <button type="button" aria-label="Zoom out" title="Zoom out (−)" onClick=${() => zoom(0.8)}>−</button>
      <button type="button" aria-label="Zoom in" title="Zoom in (+)" onClick=${() => zoom(1.25)}>+</button>
      <button type="button" title="Show all of it (0)" onClick=${fit}>Fit</button>
      <button
        type="button"
        aria-pressed=${isGrouped}
        disabled=${!small}
        title=${small ? 'One box for all functions of a name' : 'Too many functions for a box each'}
        onClick=${() => setWantsGroups(!wantsGroups)}
      >
        By name
      </button>
      <ul class="states">
        ${data.statesOf(totals).map((state) => html`<li key=${state}>${h(StateGlyph, { state })} ${formatCount(totals[state]!)} ${data.wordFor(state)}</li>`)}
      </ul>
    </div>
    <svg
      ref=${ref}
      class="picture"
      tabindex="0"
      role="group"
      aria-label=${`Graph of ${plural(data.graph.ids.length, 'function')}${isGrouped ? ', by name' : ''}`}
    >
      <defs>
        <marker id="arrow" viewBox="0 0 6 6" refX="6" refY="3" markerWidth="6" markerHeight="6" orient="auto">
          <path d="M0 0 L6 3 L0 6 Z" />
        </marker>
      </defs>
      <g transform=${`translate(${transform.x} ${transform.y}) scale(${transform.scale})`}>
        ${picture.links.map(
          ({ from, to, count }, i) =>
            html` <g key=${`${from}-${to}`} class=${`link ${near?.has(from) === true && near.has(to) ? 'near' : ''}`}>
              <path d=${paths[i]} marker-end="url(#arrow)" />
              ${count > 1 && html`<text x=${layout.links[i]!.label.x} y=${layout.links[i]!.label.y}>${formatCount(count)}</text>`}
            </g>`,
        )}
        ${picture.boxes.map((box, i) =>
          h(BoxView, {
            key: box.id,
            box,
            picture,
            data,
            inner: picture.inner[i]!,
            placed: layout.boxes[i]!,
            color: lookOf(places[box.name]!, currentTheme()).color,
            states: countStates(box.functions, data.states).join(' '),
            isOver: data.isOver,
            isSelected: picture.isGrouped ? highlight === box.name : selected >= 0 && picture.boxOf[selected] === i,
            onPick: pick,
          }),
        )}
        ${picture.boxes.map(
          ({ owner, label }, i) =>
            owner !== undefined &&
            (owner.isOpen || hasRoomFor(picture, owner.count)) &&
            h(OpenButton, { key: `o${owner.fn}`, owner, label, placed: layout.boxes[i]!, onToggle: toggle }),
        )}
      </g>
    </svg>
  </div>`;
}

interface BoxProps {
  readonly box: Box;
  readonly picture: Picture;
  readonly data: RunData;
  readonly inner: number;
  readonly placed: PlacedBox;
  readonly color: string;
  readonly isOver: boolean;
  /** Counts by state, separated by spaces. */
  readonly states: string;
  readonly isSelected: boolean;
  readonly onPick: (box: Box) => void;
}

function BoxView({ box, picture, data, inner, placed, color, states, isSelected, onPick }: BoxProps): VNode {
  const { x, y, width, height } = placed;
  const counts = states.split(' ').map(Number);
  const { owner } = box;
  const { length } = box.functions;
  const isCounted = hasCounts(box, picture.isGrouped);
  const state = isCounted ? combinedState(counts, data.isOver) : data.states[owner?.fn ?? box.functions[0]!]!;
  const letters = lettersIn(width - (owner === undefined ? 0 : buttonWidth));
  const label = box.label.length > letters ? `${box.label.slice(0, letters - 1)}…` : box.label;
  const size =
    owner === undefined
      ? `${plural(length, 'function')}${inner > 0 ? ` · ${plural(inner, 'edge')} inside` : ''}`
      : sizeOf(owner);
  const description = isCounted
    ? `${box.label}: ${size}, ${data
        .statesOf(counts)
        .map((each) => `${counts[each]!} ${data.wordFor(each)}`)
        .join(', ')}`
    : `${box.label}, ${data.graph.names[box.name]!}, ${data.wordFor(state)}`;
  return html` <g
    class=${`box ${stateNames[state]!} ${isSelected ? 'selected' : ''}`}
    transform=${`translate(${x - width / 2} ${y - height / 2})`}
    tabindex="0"
    role="button"
    aria-label=${description}
    aria-pressed=${isSelected}
    onClick=${() => onPick(box)}
    onKeyDown=${(event: KeyboardEvent) => (event.key === 'Enter' || event.key === ' ') && (event.preventDefault(), onPick(box))}
  >
    <title>${description}</title>
    <rect class="body" width=${width} height=${height} rx="4" />
    <rect class="name" width="4" height=${height - 8} x="4" y="4" rx="2" style=${{ fill: color }} />
    <text x="14" y=${isCounted ? 19 : height / 2 + 4}>${label}</text>
    ${
      isCounted
        ? html` ${' '}<text class="count" x="14" y="34">${size}</text>
            ${barsOf(counts, length, width - 18).map(({ from, wide, name }) => html`<rect key=${name} class=${`share ${name}`} x=${14 + from} y="40" width=${wide} height="4" />`)}`
        : h(StateGlyph, { state, x: width - 16 - (owner === undefined ? 0 : buttonWidth), y: height / 2 - 5 })
    }
  </g>`;
}

/** What is inside of a box. */
function sizeOf({ isMap, count }: Owner): string {
  return isMap ? plural(count, 'element') : `${plural(count, 'function')} inside`;
}

interface OpenButtonProps {
  readonly owner: Owner;
  readonly label: string;
  /** Its box. */
  readonly placed: PlacedBox;
  readonly onToggle: (owner: Owner) => void;
}

/** Opens a box, or closes it. It stands beside the box in the document, since a button contains no button. */
function OpenButton({ owner, label, placed: { x, y, width, height }, onToggle }: OpenButtonProps): VNode {
  const what = `${owner.isOpen ? 'Close' : 'Open'} ${label}: ${sizeOf(owner)}`;
  return html`<g
    class="opener"
    transform=${`translate(${x + width / 2 - buttonWidth} ${y - height / 2 + 4})`}
    tabindex="0"
    role="button"
    aria-expanded=${owner.isOpen}
    aria-label=${what}
    onClick=${() => onToggle(owner)}
    onKeyDown=${(event: KeyboardEvent) => (event.key === 'Enter' || event.key === ' ') && (event.preventDefault(), onToggle(owner))}
  >
    <title>${what}</title>
    <rect width="18" height="18" rx="3" />
    <path d=${owner.isOpen ? 'M5 9 H13' : 'M5 9 H13 M9 5 V13'} />
  </g>`;
}

/** The boxes of a function, of its dependencies and of its dependents. */
function nearOf(data: RunData, { boxOf }: Picture, fn: number): ReadonlySet<number> {
  return new Set([fn, ...data.graph.deps[fn]!, ...data.dependentsOf(fn)].map((each) => boxOf[each]!));
}

function barsOf(
  counts: readonly number[],
  total: number,
  width: number,
): { readonly from: number; readonly wide: number; readonly name: string }[] {
  let from = 0;
  return [...doneStates, State.failed, State.skipped, State.running, State.waiting].flatMap((state) => {
    const wide = (counts[state]! / total) * width;
    const bar = { from, wide, name: stateNames[state]! };
    from += wide;
    return wide === 0 ? [] : [bar];
  });
}
