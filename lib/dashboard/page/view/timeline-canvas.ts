/** The canvas of the timeline: manages the visible range, and paints only when something has changed. */
import { currentTheme } from '../theme.ts';
import { layoutRows, type Rows } from '../rows.ts';
import type { Track } from '../run-data.ts';
import { Viewport } from '../viewport.ts';
import { type Cursor, drawTimeline, type Inks, readInks } from './timeline-draw.ts';
import { listenTo } from './timeline-input.ts';
import { functionOf, type Geometry, type Hit, hitTest, neighbour, type TimelineModel } from './timeline-model.ts';

export interface TimelineListener {
  /** Called with the item under the pointer or at the keyboard cursor; undefined: none. */
  hover(hit: Hit | undefined, x: number, y: number): void;
  /** @param fn -1: nothing is selected any more */
  select(fn: number): void;
  /** @param isFollowing whether the view follows the end of the run */
  followed(isFollowing: boolean): void;
}

const axis = 22;

export class TimelineCanvas {
  readonly #canvas: HTMLCanvasElement;
  readonly #context: CanvasRenderingContext2D;
  readonly #listener: TimelineListener;
  readonly #viewport = new Viewport();
  readonly #stopListening: () => void;
  readonly #observer: ResizeObserver;
  #model: TimelineModel | undefined;
  #geometry: Geometry = { width: 0, height: 0, gutter: 0, axis, rows: { nodes: [], trackHeight: 1, height: 0 } };
  #inks: Inks = readInks(currentTheme());
  #cursor: Cursor | undefined;
  #frame = 0;
  /** The last track in the layout. Tracks are only appended, or rebuilt as a whole. */
  #lastTrack: Track | undefined;

  constructor(canvas: HTMLCanvasElement, listener: TimelineListener) {
    this.#canvas = canvas;
    // Without an alpha channel the browser need not blend the canvas with the page.
    this.#context = canvas.getContext('2d', { alpha: false })!;
    this.#listener = listener;
    this.#observer = new ResizeObserver(() => this.#measure());
    this.#observer.observe(canvas);
    this.#stopListening = listenTo(canvas, {
      zoom: (factor, x) => this.#move(() => this.#viewport.zoom(factor, this.#share(x))),
      pan: (pixels) => this.#move(() => this.#viewport.pan(pixels / this.#width)),
      scroll: (pixels) =>
        this.#move(() => this.#viewport.scroll(pixels, this.#geometry.rows.height, this.#geometry.height - axis)),
      fit: () => this.fit(),
      toggleFollow: () => this.follow(!this.#viewport.isFollowing),
      hover: (x, y) => this.#hover(x, y),
      leave: () => this.#leave(),
      click: (x, y) => this.#click(x, y),
      step: (what, by) => this.#step(what, by),
      pick: () => this.#pick(),
    });
  }

  close(): void {
    cancelAnimationFrame(this.#frame);
    this.#observer.disconnect();
    this.#stopListening();
  }

  show(model: TimelineModel): void {
    const before = this.#model;
    this.#model = model;
    if (before?.data !== model.data) {
      this.#viewport.fit();
      this.#cursor = undefined;
    }
    this.#viewport.extend(Math.max(model.end, model.data.latest));
    if (before?.data !== model.data || this.#lastTrack !== model.data.tracks.at(-1)) this.#layout();
    if (model.selected !== -1 && model.selected !== before?.selected && model.data.track[model.selected]! >= 0) {
      this.#viewport.bring(model.data.begun[model.selected]!, model.data.ended[model.selected]!);
      this.#listener.followed(this.#viewport.isFollowing);
    }
    this.#request();
  }

  /** Colours have changed. */
  recolor(): void {
    this.#inks = readInks(currentTheme());
    this.#request();
  }

  fit(): void {
    this.#move(() => this.#viewport.fit());
  }

  follow(isFollowing: boolean): void {
    this.#move(() => this.#viewport.follow(isFollowing));
  }

  /** Zooms around the centre. */
  zoom(factor: number): void {
    this.#move(() => this.#viewport.zoom(factor, 0.5));
  }

  get #width(): number {
    return Math.max(this.#geometry.width - this.#geometry.gutter, 1);
  }

  #share(x: number): number {
    return Math.min(Math.max((x - this.#geometry.gutter) / this.#width, 0), 1);
  }

  #move(action: () => void): void {
    const wasFollowing = this.#viewport.isFollowing;
    action();
    if (wasFollowing !== this.#viewport.isFollowing) this.#listener.followed(this.#viewport.isFollowing);
    this.#request();
  }

  #measure(): void {
    const { clientWidth, clientHeight } = this.#canvas;
    const ratio = devicePixelRatio || 1;
    this.#canvas.width = Math.round(clientWidth * ratio);
    this.#canvas.height = Math.round(clientHeight * ratio);
    this.#layout();
    // Resizing clears a canvas, so paint at once: waiting for the next frame would flicker.
    this.#paint();
  }

  #layout(): void {
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    const tracks = this.#model?.data.tracks ?? [];
    this.#lastTrack = tracks.at(-1);
    const rows: Rows = layoutRows(tracks, height - axis);
    const longest = tracks.reduce((most, { node }) => Math.max(most, node.length), 4);
    const gutter = Math.round(Math.min(Math.max(longest * 6.6 + 18, 44), Math.max(width * 0.22, 64), 170));
    this.#geometry = { width, height, gutter, axis, rows };
    this.#viewport.scroll(0, rows.height, height - axis);
  }

  #request(): void {
    if (this.#frame === 0) this.#frame = requestAnimationFrame(() => this.#paint());
  }

  #paint(): void {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    const ratio = devicePixelRatio || 1;
    this.#context.setTransform(ratio, 0, 0, ratio, 0, 0);
    if (this.#model === undefined || this.#geometry.width === 0) {
      this.#context.fillStyle = this.#inks.surface;
      return this.#context.fillRect(0, 0, this.#canvas.width, this.#canvas.height);
    }
    drawTimeline(
      this.#context,
      this.#model,
      this.#viewport.range,
      this.#viewport.scrollTop,
      this.#geometry,
      this.#inks,
      this.#cursor,
    );
  }

  #hit(x: number, y: number): Hit | undefined {
    return this.#model === undefined
      ? undefined
      : hitTest(this.#model, this.#viewport.range, this.#viewport.scrollTop, this.#geometry, x, y);
  }

  #hover(x: number, y: number): void {
    const hit = this.#hit(x, y);
    this.#canvas.classList.toggle('over', hit !== undefined);
    this.#listener.hover(hit, x, y);
  }

  #leave(): void {
    this.#listener.hover(undefined, 0, 0);
    if (this.#cursor === undefined) return;
    this.#cursor = undefined;
    this.#request();
  }

  #click(x: number, y: number): void {
    const hit = this.#hit(x, y);
    this.#listener.select(hit === undefined ? -1 : functionOf(this.#model!, hit));
  }

  #pick(): void {
    if (this.#cursor !== undefined)
      this.#listener.select(this.#model!.data.tracks[this.#cursor.track]!.spans.fn[this.#cursor.span]!);
  }

  #step(what: 'span' | 'track', by: 1 | -1): void {
    const { data } = this.#model ?? {};
    const order = this.#geometry.rows.nodes.flatMap((node) => node.tracks);
    if (data === undefined || order.length === 0) return;
    const row = order.findIndex(({ track }) => track === this.#cursor?.track);
    const next =
      order[what === 'track' && row >= 0 ? Math.min(Math.max(row + by, 0), order.length - 1) : Math.max(row, 0)]!;
    const { spans } = data.tracks[next.track]!;
    const begun =
      this.#cursor === undefined ? undefined : data.tracks[this.#cursor.track]!.spans.begun[this.#cursor.span];
    const span =
      what === 'track' && begun !== undefined
        ? Math.min(spans.firstEndingAt(begun), spans.size - 1)
        : neighbour(spans, row >= 0 ? this.#cursor!.span : -1, by, this.#viewport.range);
    if (span < 0) return;
    this.#cursor = { track: next.track, span };
    this.#move(() => this.#viewport.bring(spans.begun[span]!, spans.ended[span]!));
    const { range } = this.#viewport;
    const x = this.#geometry.gutter + ((spans.begun[span]! - range.from) / (range.to - range.from)) * this.#width;
    this.#listener.hover(
      { kind: 'span', track: next.track, span, among: 1 },
      Math.max(x, this.#geometry.gutter),
      axis + next.top - this.#viewport.scrollTop,
    );
  }
}
