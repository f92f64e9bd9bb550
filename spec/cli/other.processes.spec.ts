import { describe, expect, it } from 'vitest';
import { formatBytes, toJson, toTable, toText } from '../../lib/cli/output/output.ts';
import { printable, printableLine, printableLines } from '../../lib/cli/output/printable.ts';
import { parseNodes } from '../../lib/cli/flags/nodes.ts';
import { cli } from '../support/cli.ts';

describe('handoff', () => {
  it('lists commands, examples and exit codes in its help', async () => {
    const { code, stdout } = await cli('--help');
    expect(code).toBe(0);
    for (const mention of ['run', 'plan', 'graph', 'plot', 'Examples:', 'Exit codes:', '130'])
      expect(stdout).toContain(mention);
  });

  it('prints its version', async () => {
    expect((await cli('--version')).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it('suggests the command that was meant', async () => {
    const { code, stderr } = await cli('pln');
    expect(code).toBe(2);
    expect(stderr).toContain('plan');
  });
});

describe('--nodes', () => {
  it('gives nodes with capabilities, threads and speed', () => {
    expect(parseNodes('a:cpu=2,memory=4000; b ; c:gpu=1,threads=3,speed=0.5,price=2;')).toEqual([
      { name: 'a', capabilities: { cpu: 2, memory: 4000 } },
      { name: 'b', capabilities: {} },
      { name: 'c', capabilities: { gpu: 1 }, threads: 3, speed: 0.5, price: 2 },
    ]);
  });

  it.each([['a:cpu=x'], ['a:cpu=-1'], ['a:=1'], ['a:cpu=1=2'], [':cpu=1']])('refuses %s', (text) => {
    expect(() => parseNodes(text)).toThrow('--nodes');
  });
});

describe('output', () => {
  it('writes values that JSON lacks as JSON', () => {
    expect(
      JSON.parse(
        toJson({
          big: 1n,
          map: new Map([[1, 2]]),
          set: new Set([1]),
          view: new Uint8Array([1, 2]),
          error: Object.assign(new TypeError('x'), { code: 'E' }),
        }),
      ),
    ).toEqual({
      big: '1',
      map: [[1, 2]],
      set: [1],
      view: [1, 2],
      error: { name: 'TypeError', message: 'x', code: 'E' },
    });
  });

  it('writes circles, buffers, causes and undefined results too', () => {
    const loop: Record<string, unknown> = { n: 1 };
    loop['self'] = loop;
    expect(
      JSON.parse(
        toJson({
          loop,
          none: undefined,
          bytes: Buffer.from([1, 2]),
          memory: new Uint8Array([3]).buffer,
          at: new Date(0),
          error: new Error('x', { cause: new Error('y') }),
        }),
      ),
    ).toEqual({
      loop: { n: 1, self: '[circular]' },
      none: null,
      bytes: [1, 2],
      memory: [3],
      at: '1970-01-01T00:00:00.000Z',
      error: { name: 'Error', message: 'x', cause: { name: 'Error', message: 'y' } },
    });
  });

  it('shows a text as it is', () => {
    expect(toText('a\nb')).toBe('a\nb');
    expect(toText({ a: [1] })).toBe('{ a: [ 1 ] }');
  });

  it('lines columns up', () => {
    expect(
      toTable(
        ['name', 'n'],
        [
          ['a', 1],
          ['long name', 22.5],
        ],
      ),
    ).toBe('name          n\na             1\nlong name  22.5');
  });

  it('lines columns up by what a terminal shows, however many code points that takes', () => {
    expect(
      toTable(
        ['name', 'on'],
        [
          ['日本', 'a'],
          ['👩‍👩‍👧', 'b'],
          ['e\u0301e', 'c'],
        ],
      ),
    ).toBe('name  on\n日本  a\n👩‍👩‍👧    b\ne\u0301e    c');
  });

  it('shows names without characters that reverse the text after them', () => {
    expect(printable('a\u202eb\u2066c\u200fd\u2028')).toBe('a\ufffdb\ufffdc\ufffdd\ufffd');
    expect(printable('👩‍👩‍👧 שלום')).toBe('👩‍👩‍👧 שלום');
  });

  it('formats bytes in a readable unit', () => {
    expect([0, 999, 2048, 5 * 2 ** 20, 1.5 * 2 ** 30].map(formatBytes)).toEqual([
      '0 B',
      '999 B',
      '2 KiB',
      '5 MiB',
      '1.5 GiB',
    ]);
  });

  it('shows messages without control characters, in one line or in indented lines', () => {
    const message = 'a\u001b[31mb\u001b[0m\r\n\n\tc\u0007';
    expect(printableLine(message)).toBe('ab c\ufffd');
    expect(printableLines(message)).toBe('ab\n  \n    c\ufffd');
  });

  it('shows names without control characters', () => {
    expect(printable('a\u001b[2Jb\nü')).toBe('a\ufffd[2Jb\ufffdü');
  });
});
