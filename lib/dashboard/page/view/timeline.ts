/** The task stream: what ran where and when, with a legend of its colours and marks. */
import { h, type VNode } from 'preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { formatDuration, plural } from '../format.ts';
import { html } from '../html.ts';
import { Legend } from './legend.ts';
import type { PageProps } from './props.ts';
import { TimelineCanvas } from './timeline-canvas.ts';
import type { Hit, TimelineModel } from './timeline-model.ts';
import { currentTheme } from '../theme.ts';

interface Tip {
  readonly title: string;
  readonly lines: readonly string[];
  readonly x: number;
  readonly y: number;
}

const keys =
  'Arrow keys pan, + and − zoom, 0 fits everything, L follows the end. Full stop and comma step through functions, N and P through threads, Enter opens.';

export function Timeline(props: PageProps): VNode {
  const { store, selected, highlight, places, actions } = props;
  const element = useRef<HTMLCanvasElement>(null);
  const canvas = useRef<TimelineCanvas>(undefined);
  const latest = useRef(props);
  const model = useRef<TimelineModel>(undefined);
  const [tip, setTip] = useState<Tip>();
  const [isFollowing, setFollowing] = useState(true);
  latest.current = props;
  const { data, run } = store;
  const isRunning = run?.state === 'running';
  const theme = currentTheme();

  useLayoutEffect(() => {
    const own = new TimelineCanvas(element.current!, {
      hover: (hit, x, y) =>
        setTip(hit === undefined || model.current === undefined ? undefined : tipOf(model.current, hit, x, y)),
      select: (fn) => latest.current.actions.selectFunction(fn),
      followed: setFollowing,
    });
    canvas.current = own;
    return () => own.close();
  }, []);
  useLayoutEffect(() => canvas.current!.recolor(), [theme]);
  useLayoutEffect(() => {
    if (data === undefined) return;
    model.current = { data, end: Math.max(store.elapsed, data.latest), places, highlight, selected };
    canvas.current!.show(model.current);
  });

  return html` <div class="timeline">
    <div class="toolbar">
      <button type="button" title="Zoom out (−)" aria-label="Zoom out" onClick=${() => canvas.current!.zoom(1 / 1.6)}>
        −
      </button>
      <button type="button" title="Zoom in (+)" aria-label="Zoom in" onClick=${() => canvas.current!.zoom(1.6)}>
        +
      </button>
      <button type="button" title="Show all of it (0)" onClick=${() => canvas.current!.fit()}>Fit</button>
      <button
        type="button"
        title="Keep the end in sight (L)"
        aria-pressed=${isRunning && isFollowing}
        disabled=${!isRunning}
        onClick=${() => canvas.current!.follow(!isFollowing)}
      >
        Follow
      </button>
      ${data !== undefined && data.forgotten > 0 && html`<span class="note">${plural(data.forgotten, 'earlier function')} no longer kept</span>`}
    </div>
    <div class="stage">
      <canvas
        ref=${element}
        tabindex="0"
        role="application"
        aria-label="Task stream"
        aria-describedby="timeline-keys"
      ></canvas>
      ${data === undefined || data.tracks.length === 0 ? html`<p class="empty">${store.key === null ? 'No run yet. The first run will appear here.' : data === undefined ? 'Loading the run …' : 'No function has begun yet.'}</p>` : ''}
      <div
        class="tip"
        role="status"
        hidden=${tip === undefined}
        style=${tip === undefined ? {} : placed(tip, element.current)}
      >
        ${tip !== undefined && html`<strong>${tip.title}</strong>${tip.lines.map((line) => html`<span>${line}</span>`)}`}
      </div>
    </div>
    <p id="timeline-keys" class="hint">${keys}</p>
    ${data !== undefined && h(Legend, { data, places, highlight, theme, onPick: actions.highlightName })}
  </div>`;
}

/** Beside the pointer, but always inside the picture. */
function placed({ x, y }: Tip, canvas: HTMLCanvasElement | null): { left: string; top: string; transform: string } {
  const width = canvas?.clientWidth ?? 0;
  const height = canvas?.clientHeight ?? 0;
  const isRight = x > width / 2;
  const isLow = y > height / 2;
  return {
    left: `${isRight ? x - 10 : x + 12}px`,
    top: `${isLow ? y - 10 : y + 14}px`,
    transform: `translate(${isRight ? '-100%' : '0'}, ${isLow ? '-100%' : '0'})`,
  };
}

function tipOf({ data, end }: TimelineModel, hit: Hit, x: number, y: number): Tip {
  if (hit.kind === 'mark') {
    const { mark, among } = hit;
    const title = mark.fn >= 0 ? data.graph.ids[mark.fn]! : mark.kind;
    return {
      title,
      x,
      y,
      lines: [
        mark.text,
        `at ${formatDuration(mark.at)}`,
        ...(among > 1 ? [`and ${plural(among - 1, 'other mark')} here`] : []),
      ].filter((line) => line !== ''),
    };
  }
  if (hit.kind === 'live') {
    return {
      title: data.graph.ids[hit.live.fn]!,
      x,
      y,
      lines: [
        data.nameOf(hit.live.fn),
        `running for ${formatDuration(end - hit.live.since)}`,
        `${hit.live.node}, thread ${hit.live.thread}`,
      ],
    };
  }
  const track = data.tracks[hit.track]!;
  const { fn, begun, ended, attempt, threw } = track.spans;
  const own = fn[hit.span]!;
  const outcome =
    threw[hit.span] === 1
      ? `attempt ${attempt[hit.span]!} failed`
      : attempt[hit.span]! > 1
        ? `attempt ${attempt[hit.span]!}`
        : '';
  return {
    title: data.graph.ids[own]!,
    x,
    y,
    lines: [
      data.nameOf(own),
      `${formatDuration(ended[hit.span]! - begun[hit.span]!)}, from ${formatDuration(begun[hit.span]!)}`,
      outcome,
      `${track.node}, thread ${track.thread}`,
      hit.among > 1 ? `and ${plural(hit.among - 1, 'shorter one')} here` : '',
    ].filter((line) => line !== ''),
  };
}
