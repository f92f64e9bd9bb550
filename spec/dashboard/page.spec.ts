/**
 * What the dashboard's page works out before it paints: the time axis, what is in sight, what of it is merged, and the
 * picture of a graph.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hasRoomFor, isSmall, pictureOfFunctions, pictureOfGroups } from '../../lib/dashboard/page/grouping.ts';
import { TrackSpans } from '../../lib/dashboard/page/track-spans.ts';
import { layoutPicture, lettersIn, pathThrough } from '../../lib/dashboard/page/layout.ts';
import { mergeVisible, Pieces } from '../../lib/dashboard/page/merge.ts';
import { trackAt, layoutRows } from '../../lib/dashboard/page/rows.ts';
import {
  fitted,
  panned,
  tickLabel,
  ticks,
  tickStep,
  type TimeRange,
  timeAt,
  xOf,
  zoomed,
} from '../../lib/dashboard/page/scale.ts';
import { Viewport } from '../../lib/dashboard/page/viewport.ts';
import type { RunGraph } from '../../lib/events/run-graph.ts';
import { diamond } from './support.ts';

const finite = (min: number, max: number): fc.Arbitrary<number> =>
  fc.double({ min, max, noNaN: true, noDefaultInfinity: true });
const range = fc
  .tuple(finite(-1e5, 1e5), finite(0.1, 1e5))
  .map(([from, width]): TimeRange => ({ from, to: from + width }));
const domain: TimeRange = { from: 0, to: 10_000 };

describe('the time axis', () => {
  it('puts times on pixels and back', () => {
    fc.assert(
      fc.property(range, finite(1, 4000), finite(-1e5, 1e5), (shown, width, at) => {
        expect(timeAt(shown, width, xOf(shown, width, at))).toBeCloseTo(at, 3);
      }),
    );
  });

  it('keeps the time under the pointer where it is when it zooms, unless that would lead out of the run', () => {
    fc.assert(
      fc.property(finite(0.2, 5), finite(0.1, 0.9), (factor, share) => {
        const shown = { from: 4000, to: 5000 };
        const at = timeAt(shown, 1, share);
        const next = zoomed(shown, factor, at, domain);
        expect(xOf(next, 1, at)).toBeCloseTo(share, 6);
        expect(next.to - next.from).toBeCloseTo(1000 / factor, 6);
      }),
    );
  });

  it('never zooms or pans outside the run, nor below the resolution of clocks', () => {
    fc.assert(
      fc.property(range, finite(1e-6, 1e6), finite(-1e6, 1e6), (shown, factor, by) => {
        const next = panned(zoomed(shown, factor, shown.from, domain), by, domain);
        const middle = (next.from + next.to) / 2;
        expect(middle).toBeGreaterThanOrEqual(domain.from - 1e-6);
        expect(middle).toBeLessThanOrEqual(domain.to + 1e-6);
        expect(next.to - next.from).toBeGreaterThanOrEqual(0.0199);
        expect(next.to - next.from).toBeLessThanOrEqual(15_000.001);
      }),
    );
  });

  it('has ticks at round times, no more than asked for, all in sight, and each with its own label', () => {
    fc.assert(
      fc.property(range, fc.integer({ min: 2, max: 20 }), (shown, most) => {
        const step = tickStep(shown, most);
        const at = ticks(shown, step);
        expect(at.length).toBeLessThanOrEqual(most + 1);
        expect([1, 2, 5]).toContain(Number((step / 10 ** Math.floor(Math.log10(step) + 1e-9)).toFixed(6)));
        for (const time of at) {
          expect(time).toBeGreaterThanOrEqual(shown.from - step * 1e-6);
          expect(time).toBeLessThanOrEqual(shown.to + step * 1e-6);
        }
        expect(new Set(at.map((time) => tickLabel(time, step))).size).toBe(at.length);
      }),
    );
  });

  it('shows all of a run with a little room', () => {
    expect(fitted({ from: 0, to: 1000 })).toEqual({ from: -10, to: 1010 });
  });
});

type Row = readonly [fn: number, begun: number, took: number, threw: number];
const rowsOf = (most: number): fc.Arbitrary<Row[]> =>
  fc.array(fc.tuple(fc.integer({ min: 0, max: 5 }), finite(0, 1000), finite(0, 30), fc.integer({ min: 0, max: 1 })), {
    maxLength: most,
  });

function track(rows: readonly Row[]): TrackSpans {
  const spans = new TrackSpans();
  for (const [fn, begun, took, threw] of rows) spans.add(fn, begun, took, 1, threw);
  return spans;
}

describe('the spans of a thread', () => {
  it('are in order of their start, whatever order they come in and whenever they are read', () => {
    fc.assert(
      fc.property(rowsOf(80), rowsOf(80), (first, second) => {
        const spans = track(first);
        spans.sort();
        for (const [fn, begun, took, threw] of second) spans.add(fn, begun, took, 1, threw);
        spans.sort();
        const told = Array.from({ length: spans.size }, (_, i) => [
          spans.fn[i]!,
          spans.begun[i]!,
          spans.ended[i]!,
          spans.threw[i]!,
        ]);
        const wanted = [...first, ...second]
          .map(([fn, begun, took, threw]) => [fn, begun, begun + took, threw])
          .sort((a, b) => a[1]! - b[1]!);
        expect(told.map((row) => row[1])).toEqual(wanted.map((row) => row[1]));
        expect(told.map(String).sort()).toEqual(wanted.map(String).sort());
      }),
    );
  });

  it('are found by range: exactly those that reach into it, also where they overlap', () => {
    fc.assert(
      fc.property(rowsOf(80), finite(0, 1000), finite(0, 300), (rows, from, width) => {
        const spans = track(rows);
        const found: number[] = [];
        for (let i = spans.firstEndingAt(from); i < spans.firstBeginningAt(from + width); i++)
          if (spans.ended[i]! >= from) found.push(spans.begun[i]!);
        expect(found).toEqual(
          rows
            .filter(([, begun, took]) => begun + took >= from && begun < from + width)
            .map(([, begun]) => begun)
            .sort((a, b) => a - b),
        );
      }),
    );
  });

  it('are bounded: of more than a million the earlier half goes', () => {
    const spans = new TrackSpans();
    const most = 2 ** 20;
    for (let i = 0; i <= most; i++) spans.add(i, i, 0.5, 1, 0);
    expect([spans.size, spans.forgotten, spans.fn[0], spans.begun[0]]).toEqual([
      most / 2 + 1,
      most / 2,
      most / 2,
      most / 2,
    ]);
    expect(spans.firstBeginningAt(most)).toBe(most / 2);
    expect(spans.firstEndingAt(most - 1)).toBe(most / 2 - 1);
  });

  it('survive growth', () => {
    const spans = new TrackSpans();
    for (let i = 0; i < 5000; i++) spans.add(i, 5000 - i, 0.5, 1, i % 2);
    expect(spans.firstEndingAt(0)).toBe(0);
    expect([spans.fn[0], spans.begun[0], spans.ended[0], spans.threw[0]]).toEqual([4999, 1, 1.5, 1]);
    expect(spans.firstBeginningAt(4999.5)).toBe(4999);
  });
});

describe('merging below a pixel', () => {
  const code = Uint16Array.from([0, 1, 2, 0, 1, 2]);
  const pieces = new Pieces();
  /** As one thread runs them: one after the other. */
  const inTurn = rowsOf(400).map((rows) => {
    let at = 0;
    return rows.map(([fn, begun, took, threw]): Row => {
      const start = at + begun / 500;
      at = start + took / 10;
      return [fn, start, took / 10, threw];
    });
  });

  it('paints no more pieces than there are pixels and wide spans', () => {
    fc.assert(
      fc.property(inTurn, fc.integer({ min: 10, max: 300 }), (rows, width) => {
        const spans = track(rows);
        const shown = { from: 0, to: 500 };
        mergeVisible(spans, code, shown, width, -1, pieces);
        const wide = rows.filter(([, , took]) => (took / 500) * width >= 1).length;
        // Around a wide span the pixel it begins in and the one it ends in may each hold short ones.
        expect(pieces.size).toBeLessThanOrEqual(width + 2 * wide + 1);
      }),
    );
  });

  it('loses no time, no span and no failure', () => {
    fc.assert(
      fc.property(inTurn, fc.integer({ min: 10, max: 300 }), (rows, width) => {
        const spans = track(rows);
        const shown = { from: -1, to: 10_000 };
        mergeVisible(spans, code, shown, width, -1, pieces);
        const perPixel = (shown.to - shown.from) / width;
        let painted = 0;
        for (let i = 0; i < pieces.size; i++) painted += pieces.width[i]! * pieces.share[i]! * perPixel;
        expect(painted).toBeCloseTo(
          rows.reduce((sum, [, , took]) => sum + took, 0),
          0,
        );
        for (const [, begun, , threw] of rows) {
          const x = xOf(shown, width, begun);
          const over = Array.from({ length: pieces.size }, (_, i) => i).filter(
            (i) => pieces.x[i]! <= x + 1e-3 && x <= pieces.x[i]! + pieces.width[i]! + 1e-3,
          );
          expect(over.length).toBeGreaterThan(0);
          if (threw === 1) expect(over.some((i) => pieces.threw[i] === 1)).toBe(true);
        }
      }),
    );
  });

  it('gives a pixel the name with most of its time, and identifies only a single span', () => {
    mergeVisible(
      track([
        [0, 0.1, 0.1, 0],
        [1, 0.3, 0.4, 0],
        [0, 0.8, 0.1, 0],
        [2, 1.5, 0.2, 0],
      ]),
      code,
      { from: 0, to: 10 },
      10,
      -1,
      pieces,
    );
    expect([...pieces.name.subarray(0, pieces.size)]).toEqual([1, 2]);
    expect([...pieces.span.subarray(0, pieces.size)]).toEqual([-1, 3]);
    expect(pieces.share[0]).toBeCloseTo(0.6);
  });

  it('shows the name that is to stand out, however little of it there is', () => {
    const spans = track([
      [1, 0, 0.5, 0],
      [0, 0.5, 0.01, 0],
      [1, 0.6, 0.3, 0],
    ]);
    mergeVisible(spans, code, { from: 0, to: 10 }, 10, 0, pieces);
    expect([...pieces.name.subarray(0, pieces.size)]).toEqual([0]);
    mergeVisible(spans, code, { from: 0, to: 10 }, 10, -1, pieces);
    expect([...pieces.name.subarray(0, pieces.size)]).toEqual([1]);
  });

  it('reads 100,000 spans and gives a screenful', () => {
    const spans = new TrackSpans();
    for (let i = 0; i < 100_000; i++) spans.add(i % 6, i * 0.01, 0.008, 1, 0);
    mergeVisible(spans, code, { from: 0, to: 1000 }, 1200, -1, pieces);
    expect(pieces.size).toBe(1200);
    mergeVisible(spans, code, { from: 500.001, to: 500.099 }, 1200, -1, pieces);
    expect(pieces.size).toBe(10);
    expect([...pieces.span.subarray(0, pieces.size)].every((span) => span >= 50_000 && span <= 50_009)).toBe(true);
  });
});

describe('threads in the picture', () => {
  const tracks = [
    { host: 'h2', node: 'b', thread: 1 },
    { host: 'h1', node: 'n10', thread: 0 },
    { host: 'h2', node: 'b', thread: 0 },
    { host: 'h1', node: 'n2', thread: 0 },
  ];

  it('are ordered by host, node and number, whatever order they arrive in', () => {
    const rows = layoutRows(tracks, 400);
    expect(rows.nodes.map(({ host, node }) => `${host}/${node}`)).toEqual(['h1/n2', 'h1/n10', 'h2/b']);
    expect(rows.nodes[2]!.tracks.map(({ track: i }) => tracks[i]!.thread)).toEqual([0, 1]);
    expect(rows.nodes.map(({ hostTop }) => hostTop !== null)).toEqual([true, false, true]);
    expect(layoutRows([tracks[0]!, tracks[2]!], 400).nodes.map(({ hostTop }) => hostTop)).toEqual([null]);
  });

  it('do not overlap, and are found where they are', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 50, max: 1000 }), (count, height) => {
        const many = Array.from({ length: count }, (_, i) => ({ host: `h${i % 2}`, node: `n${i % 5}`, thread: i }));
        const rows = layoutRows(many, height);
        const all = rows.nodes.flatMap((node) => node.tracks);
        expect(all.map(({ track: i }) => i).sort((a, b) => a - b)).toEqual(many.map((_, i) => i));
        for (const { track: i, top } of all) expect(trackAt(rows, top + rows.trackHeight / 2)).toBe(i);
        expect(trackAt(rows, -1)).toBeUndefined();
        expect(trackAt(rows, rows.height + 1)).toBeUndefined();
      }),
    );
  });
});

describe('what is seen of the timeline', () => {
  it('grows with a run that is seen whole, and follows the end of one that is seen in part', () => {
    const viewport = new Viewport();
    viewport.extend(1000);
    expect(viewport.range.to).toBeGreaterThan(1000);
    viewport.zoom(4, 1);
    expect(viewport.isFitted).toBe(false);
    expect(viewport.isFollowing).toBe(true);
    const width = viewport.range.to - viewport.range.from;
    viewport.extend(5000);
    expect(viewport.range.to).toBeGreaterThanOrEqual(5000);
    expect(viewport.range.to - viewport.range.from).toBeCloseTo(width);
  });

  it('stays where the reader has panned, until it follows or fits again', () => {
    const viewport = new Viewport();
    viewport.extend(1000);
    viewport.zoom(10, 0.5);
    viewport.pan(-2);
    const { range: before } = viewport;
    viewport.extend(2000);
    expect(viewport.range).toEqual(before);
    viewport.follow(true);
    expect(viewport.range.to).toBeGreaterThan(2000);
    viewport.fit();
    expect(viewport.range.from).toBeLessThan(0);
    expect(viewport.range.to).toBeGreaterThan(2000);
  });

  it('scrolls to the element with the keyboard focus, unless it is visible', () => {
    const viewport = new Viewport();
    viewport.extend(1000);
    viewport.zoom(20, 0.1);
    viewport.bring(900, 910);
    expect(viewport.range.from).toBeLessThan(900);
    expect(viewport.range.to).toBeGreaterThan(910);
    const { range: before } = viewport;
    viewport.bring(900, 910);
    expect(viewport.range).toEqual(before);
  });

  it('scrolls no further than there are rows', () => {
    const viewport = new Viewport();
    viewport.scroll(500, 300, 200);
    expect(viewport.scrollTop).toBe(100);
    viewport.scroll(-500, 300, 200);
    expect(viewport.scrollTop).toBe(0);
  });
});

describe('the picture of a graph', () => {
  it('has a box for each function and a link for each edge while they are few', () => {
    const picture = pictureOfFunctions(diamond);
    expect(isSmall(diamond)).toBe(true);
    expect(picture.boxes.map(({ label }) => label)).toEqual(diamond.ids);
    expect(picture.links).toEqual([
      { from: 0, to: 1, count: 1 },
      { from: 0, to: 2, count: 1 },
      { from: 1, to: 3, count: 1 },
      { from: 2, to: 3, count: 1 },
    ]);
  });

  it('has a box for each name, with every function and every edge in it, when they are many', () => {
    const graphs = fc.integer({ min: 1, max: 60 }).chain((size) =>
      fc.record({
        code: fc.array(fc.integer({ min: 0, max: 4 }), { minLength: size, maxLength: size }),
        picks: fc.array(fc.array(fc.nat(), { maxLength: 4 }), { minLength: size, maxLength: size }),
      }),
    );
    fc.assert(
      fc.property(graphs, ({ code, picks }) => {
        const deps = picks.map((some, i) => (i === 0 ? [] : [...new Set(some.map((pick) => pick % i))]));
        const graph: RunGraph = {
          ...diamond,
          ids: code.map((_, i) => `f${i}`),
          code,
          names: ['a', 'b', 'c', 'd', 'e'],
          deps,
        };
        const { boxes, links, inner } = pictureOfGroups(graph);
        expect(boxes.flatMap(({ functions }) => functions).sort((a, b) => a - b)).toEqual(code.map((_, i) => i));
        const edges = deps.reduce((sum, own) => sum + own.length, 0);
        expect(links.reduce((sum, { count }) => sum + count, 0) + inner.reduce((sum, count) => sum + count, 0)).toBe(
          edges,
        );
        for (const { from, to, count } of links) {
          expect(count).toBe(
            boxes[to]!.functions.reduce(
              (sum, fn) => sum + deps[fn]!.filter((dep) => boxes[from]!.functions.includes(dep)).length,
              0,
            ),
          );
        }
      }),
    );
  });

  it('keeps the largest groups and makes one of the rest where there are too many names', () => {
    const names = Array.from({ length: 400 }, (_, i) => `n${i}`);
    const code = [...names.keys(), 7, 7];
    const graph: RunGraph = {
      ...diamond,
      ids: code.map((_, i) => `f${i}`),
      code,
      names,
      deps: code.map((_, i) => (i === 0 ? [] : [i - 1])),
    };
    const { boxes } = pictureOfGroups(graph);
    expect(isSmall(graph)).toBe(false);
    expect(boxes.length).toBe(120);
    expect(boxes.find(({ label }) => label === 'n7')!.functions.length).toBe(3);
    expect(boxes.at(-1)!.label).toBe('281 other names');
    expect(boxes.reduce((sum, { functions }) => sum + functions.length, 0)).toBe(402);
  });

  describe('of a run that grows', () => {
    /** `m` and `n` map, `split` answers with a graph whose second function does so too, `end` takes `n` and `split`. */
    const grown: RunGraph = {
      ...diamond,
      ids: ['list', 'm', 'n', 'split', 'end', 'm[0]', 'm[1]', 'n[0]', 'n[1]', 'split/a', 'split/b', 'split/b/c'],
      names: ['list', 'work', 'split', 'end'],
      code: [0, 1, 1, 2, 3, 1, 1, 1, 1, 2, 2, 2],
      deps: [[], [0], [1], [0], [2, 3], [0], [0], [5], [6], [], [9], []],
      growth: [
        { owner: 1, first: 5, count: 2, isMap: true },
        { owner: 2, first: 7, count: 2, isMap: true },
        { owner: 3, first: 9, count: 2, isMap: false },
        { owner: 10, first: 11, count: 1, isMap: false },
      ],
    };
    const linksOf = (picture: ReturnType<typeof pictureOfFunctions>): string[] =>
      picture.links.map(({ from, to }) => `${picture.boxes[from]!.label} → ${picture.boxes[to]!.label}`).toSorted();

    it('has one box for a map, and one for a function that answers with a graph', () => {
      const picture = pictureOfFunctions(grown);
      expect(picture.boxes.map(({ label, functions, owner }) => [label, functions, owner?.count])).toEqual([
        ['list', [0], undefined],
        ['m', [5, 6], 2],
        ['n', [7, 8], 2],
        ['split', [3, 9, 10, 11], 2],
        ['end', [4], undefined],
      ]);
      expect(linksOf(picture)).toEqual(['list → m', 'list → split', 'm → n', 'n → end', 'split → end']);
      expect(picture.boxes[picture.boxOf[8]!]!.label).toBe('n');
    });

    it('opens a map to its elements, which take what they take and lead to the map', () => {
      const picture = pictureOfFunctions(grown, new Set([2]));
      expect(picture.boxes.find(({ label }) => label === 'n')).toMatchObject({
        functions: [2],
        owner: { fn: 2, isMap: true, count: 2, isOpen: true },
      });
      expect(linksOf(picture)).toEqual([
        'list → m',
        'list → split',
        'm → n[0]',
        'm → n[1]',
        'n → end',
        'n[0] → n',
        'n[1] → n',
        'split → end',
      ]);
    });

    it('opens a graph to its functions, and what is inside of those only after them', () => {
      const labels = (...open: number[]): string[] =>
        pictureOfFunctions(grown, new Set(open))
          .boxes.map(({ label }) => label)
          .filter((label) => label.startsWith('split'));
      expect(labels(3)).toEqual(['split', 'split/a', 'split/b']);
      expect(labels(10)).toEqual(['split']);
      expect(labels(3, 10)).toEqual(['split', 'split/a', 'split/b', 'split/b/c']);
      expect(linksOf(pictureOfFunctions(grown, new Set([3, 10]))).filter((link) => link.includes('/'))).toEqual([
        'split → split/a',
        'split/a → split/b',
        'split/b → split/b/c',
      ]);
    });

    it('has every function that runs in one box, whatever is open', () => {
      fc.assert(
        fc.property(fc.subarray([1, 2, 3, 10]), (open) => {
          const { boxes, boxOf } = pictureOfFunctions(grown, new Set(open));
          const shown = boxes.flatMap(({ functions }) => functions);
          expect(new Set(shown).size).toBe(shown.length);
          // Maps do not run, and an open one has a box of its own.
          const running = [0, 3, 4, 5, 6, 7, 8, 9, 10, 11, ...open.filter((fn) => fn < 3)];
          expect(shown.toSorted((a, b) => a - b)).toEqual(running.toSorted((a, b) => a - b));
          for (const fn of shown) expect(boxes[boxOf[fn]!]!.functions).toContain(fn);
        }),
      );
    });

    it('counts elements by name, and not their maps', () => {
      const { boxes, links, boxOf } = pictureOfGroups(grown);
      expect(boxes.map(({ label, functions }) => [label, functions])).toEqual([
        ['list', [0]],
        ['work', [5, 6, 7, 8]],
        ['split', [3, 9, 10, 11]],
        ['end', [4]],
      ]);
      expect(boxes[boxOf[1]!]!.label).toBe('work');
      expect(links).toContainEqual({ from: 0, to: 1, count: 2 });
    });

    it('stays small while the box of a large map is closed, which is too large to be opened', () => {
      const size = 2000;
      const each = <Value>(of: (k: number) => Value): Value[] => Array.from({ length: size }, (_, k) => of(k));
      const large: RunGraph = {
        ...diamond,
        ids: ['list', 'm', ...each((k) => `m[${k}]`)],
        code: [0, 1, ...each(() => 1)],
        deps: [[], [0], ...each(() => [0])],
        growth: [{ owner: 1, first: 2, count: size, isMap: true }],
      };
      const picture = pictureOfFunctions(large);
      expect([isSmall(large), isSmall(large, new Set([1]))]).toEqual([true, false]);
      expect([hasRoomFor(picture, 2), hasRoomFor(picture, size)]).toEqual([true, false]);
      expect(picture.boxes[1]!.functions.length).toBe(size);
      expect(layoutPicture(picture).boxes.map(({ height }) => height)).toEqual([28, 50]);
    });
  });

  it('is laid out without overlaps, links from box to box, and the same each time', () => {
    const picture = pictureOfFunctions(diamond);
    const layout = layoutPicture(picture);
    expect(layout).toEqual(layoutPicture(picture));
    for (const [i, a] of layout.boxes.entries()) {
      for (const b of layout.boxes.slice(i + 1))
        expect(Math.abs(a.x - b.x) >= (a.width + b.width) / 2 || Math.abs(a.y - b.y) >= (a.height + b.height) / 2).toBe(
          true,
        );
      expect(a.x + a.width / 2).toBeLessThanOrEqual(layout.width);
      expect(a.y + a.height / 2).toBeLessThanOrEqual(layout.height);
    }
    for (const [i, { from, to }] of picture.links.entries()) {
      const { points } = layout.links[i]!;
      expect(points[0]).toEqual({ x: layout.boxes[from]!.x + layout.boxes[from]!.width / 2, y: layout.boxes[from]!.y });
      expect(points.at(-1)).toEqual({ x: layout.boxes[to]!.x - layout.boxes[to]!.width / 2, y: layout.boxes[to]!.y });
      expect(pathThrough(points)).toMatch(/^M[\d.-]+ [\d.-]+( C([\d.-]+ ?){6})+$/);
    }
    expect(lettersIn(layout.boxes[0]!.width)).toBeGreaterThanOrEqual('right'.length);
  });

  it('of groups in a cycle is laid out too', () => {
    const graph: RunGraph = {
      ...diamond,
      ids: ['a1', 'b1', 'a2'],
      code: [0, 1, 0],
      names: ['a', 'b'],
      deps: [[], [0], [1]],
    };
    const layout = layoutPicture(pictureOfGroups(graph));
    expect(layout.boxes.length).toBe(2);
    expect(layout.links.length).toBe(2);
    for (const { points } of layout.links) expect(points.length).toBeGreaterThan(1);
  });
});
