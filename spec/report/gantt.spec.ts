import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { stripVTControlCharacters } from 'node:util';
import sharp from 'sharp';
import { ganttText } from '../../lib/cli/output/gantt-text.ts';
import { namesOf, type PlacedBar, toGantt } from '../../lib/report/gantt.ts';
import { ganttSvg } from '../../lib/report/gantt-svg.ts';
import { escapeXml, ticks, time } from '../../lib/report/svg.ts';

const bar = (id: string, start: number, finish: number, more: Partial<PlacedBar> = {}): PlacedBar => ({
  id,
  name: id,
  start,
  finish,
  node: 'a',
  isCritical: false,
  hasFailed: false,
  ...more,
});

const bars = fc
  .array(
    fc.record({
      node: fc.constantFrom('a', 'b'),
      thread: fc.constantFrom(undefined, 0, 1),
      start: fc.integer({ min: 0, max: 100 }),
      took: fc.integer({ min: 0, max: 40 }),
      name: fc.constantFrom('x', 'y', '<script>'),
      isCritical: fc.boolean(),
      hasFailed: fc.boolean(),
    }),
    { maxLength: 40 },
  )
  .map((all) => all.map(({ took, ...each }, i): PlacedBar => ({ ...each, id: `f${i}`, finish: each.start + took })));

describe('rows of bars', () => {
  it('never overlap, hold every bar once, on its node and its thread', () => {
    fc.assert(
      fc.property(bars, (all) => {
        const { rows, length } = toGantt(all);
        for (const { node, thread, bars: row } of rows) {
          row.forEach((each, k) => {
            if (k > 0) expect(each.start).toBeGreaterThanOrEqual(row[k - 1]!.finish);
            expect(all.find(({ id }) => id === each.id)).toMatchObject({ node, thread });
          });
        }
        expect(rows.flatMap((row) => row.bars.map(({ id }) => id)).toSorted()).toEqual(
          all.map(({ id }) => id).toSorted(),
        );
        expect(length).toBe(all.reduce((end, { finish }) => Math.max(end, finish), 0));
      }),
    );
  });

  it('are as few as it takes where threads are not known', () => {
    const { rows } = toGantt([bar('a', 0, 10), bar('b', 0, 5), bar('c', 5, 10), bar('d', 10, 20)]);
    expect(rows.map((row) => row.bars.map(({ id }) => id))).toEqual([['b', 'c', 'd'], ['a']]);
  });

  it('come in the order of the nodes that were named, then by name', () => {
    const { rows } = toGantt(
      [bar('1', 0, 1, { node: 'c' }), bar('2', 0, 1, { node: 'b' }), bar('3', 0, 1, { node: 'z' })],
      ['z'],
    );
    expect(rows.map(({ node }) => node)).toEqual(['z', 'b', 'c']);
  });

  it('tell the names that take most of the time first', () => {
    expect(namesOf(toGantt([bar('short', 0, 1), bar('long', 1, 9), bar('short', 9, 10)]))).toEqual(['long', 'short']);
  });
});

describe('the Gantt as text', () => {
  const gantt = toGantt([
    bar('load', 0, 50, { isCritical: true }),
    bar('sharpen', 50, 60, { isCritical: true }),
    bar('mix', 0, 20, { thread: 1 }),
    bar('bad', 20, 60, { thread: 1, hasFailed: true }),
  ]);

  it('shows what fits into its bar, and letters else; the critical path and failures without colours', () => {
    expect(ganttText(gantt, 40).split('\n')).toEqual([
      '     0                      50 ms',
      'a   |[load======================]SSSSSS|',
      'a/1 |[mix------][bad!!!!!!!!!!!!!!!!!!]|',
      '',
      'l load   b bad   m mix   s sharpen',
      '=, CAPITALS: on the critical path',
    ]);
  });

  it('is as wide as it may be, and no wider, whatever is in it', () => {
    fc.assert(
      fc.property(bars, fc.integer({ min: 40, max: 200 }), (all, width) => {
        const lines = ganttText(toGantt(all), width).split('\n');
        expect(Math.max(...lines.map((line) => [...line].length))).toBeLessThanOrEqual(width);
        expect(stripVTControlCharacters(lines.join('\n'))).toBe(lines.join('\n'));
      }),
    );
  });

  it('does not let names move the cursor', () => {
    expect(ganttText(toGantt([bar('\u001b[2J', 0, 50)]), 60)).not.toContain('\u001b');
  });
});

describe('the Gantt as SVG', () => {
  const drawn = async (svg: string): Promise<{ width?: number; height?: number }> => sharp(Buffer.from(svg)).metadata();

  it('is a picture, whatever functions are called', async () => {
    await fc.assert(
      fc.asyncProperty(bars, fc.string(), async (all, title) => {
        const svg = ganttSvg(toGantt(all), {
          title,
          subtitle: title,
          usage: [
            {
              node: title,
              resource: '"<&>',
              claimed: { at: [0, 50], level: [1, 0] },
              used: { at: [10], level: [2] },
              capacity: 4,
            },
          ],
        });
        expect(svg).not.toContain('<script');
        expect(await drawn(svg)).toMatchObject({ width: 960 });
      }),
      { numRuns: 30 },
    );
  });

  it('shows names as text', () => {
    const svg = ganttSvg(toGantt([bar('<script>alert("1")</script>', 0, 50)]), { title: "it's <b>" });
    expect(svg).toContain(escapeXml('<script>alert("1")</script>'));
    expect(svg).not.toMatch(/<script|<b>|it's/);
  });

  it('outlines the critical path and failures, and says both', () => {
    const svg = ganttSvg(toGantt([bar('a', 0, 50, { isCritical: true }), bar('b', 50, 90, { hasFailed: true })]), {
      title: 't',
    });
    expect(svg).toContain('on the critical path');
    expect(svg).toContain(', failed');
    expect(svg).toContain('>critical path<');
    expect(ganttSvg(toGantt([bar('a', 0, 50)]), { title: 't' })).not.toContain('critical path');
  });

  it('draws bars that cannot be distinguished as one: 100,000 functions are a picture of some hundred kilobytes', () => {
    const many = Array.from({ length: 100_000 }, (_, i) =>
      bar(`f${i}`, i / 2, i / 2 + 0.4, { name: `n${i % 3}`, thread: i % 2 }),
    );
    const svg = ganttSvg(toGantt(many), { title: 't' });
    expect(svg.length).toBeLessThan(500_000);
    expect(svg).toMatch(/\d+ functions, mostly n\d/);
  });
});

describe('an axis', () => {
  it('has round numbers', () => {
    expect(ticks(470, 8)).toEqual([0, 100, 200, 300, 400]);
    expect(ticks(0.03, 3)).toEqual([0, 0.01, 0.02, 0.03]);
    expect(ticks(0, 8)).toEqual([0]);
  });

  it('has the unit of the longest', () => {
    expect([time(0.2, 0.5), time(250, 4000), time(250, 40_000), time(90_000, 900_000)]).toEqual([
      '200 µs',
      '250 ms',
      '0.25 s',
      '1.5 min',
    ]);
  });
});
