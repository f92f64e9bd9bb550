import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { stripVTControlCharacters } from 'node:util';
import { describe, expect, it } from 'vitest';
import { toJson, toTable, toText } from '../../lib/cli/output.ts';
import { parseNodes } from '../../lib/cli/nodes.ts';
import { createProgressView } from '../../lib/cli/progress-view.ts';
import type { HandoffEvent } from '../../lib/index.ts';
import { cli, fixture } from '../support/cli.ts';

describe('handoff plan', () => {
  it('prints the schedule, the makespan and the critical path, and runs nothing', async () => {
    const { code, stdout } = await cli('plan', fixture('struct.ts'), '--nodes', 'n:cpu=1');
    expect(code).toBe(0);
    expect(stdout).toBe([
      'function  node  start ms  finish ms',
      'a         n            0         10',
      'b         n           10         30',
      'c         n           30         35',
      '',
      'makespan 35 ms, at least 35 ms on these nodes',
      'critical path: a -> b',
      '',
    ].join('\n'));
  });

  it('prints JSON', async () => {
    const { stdout } = await cli('plan', fixture('struct.ts'), '--nodes', 'n:cpu=2,threads=2', '--json');
    expect(JSON.parse(stdout)).toMatchObject({ makespan: 30, lowerBound: 30, criticalPath: ['a', 'b'], allocations: { a: 'n', b: 'n', c: 'n' } });
  });
});

describe('handoff graph', () => {
  it.each([['mermaid', 'flowchart TD'], ['dot', 'digraph "struct"'], ['svg', '<svg'], ['json', '"id": "struct"']])('draws %s', async (format, mention) => {
    const { code, stdout } = await cli('graph', fixture('struct.ts'), '--format', format);
    expect(code).toBe(0);
    expect(stdout).toContain(mention);
  });

  it('draws a graph that is not valid, and exits with 2', async () => {
    const { code, stdout, stderr } = await cli('graph', fixture('cyclic.ts'));
    expect(code).toBe(2);
    expect(stdout).toContain('f0 --> f1');
    expect(stderr).toContain('CYCLIC_DEPENDENCY');
  });

  it('refuses an unknown format', async () => {
    expect(await cli('graph', fixture('struct.ts'), '--format', 'png')).toMatchObject({ code: 2 });
  });

  it('does not mind a reader that stops early', async () => {
    const { fileURLToPath } = await import('node:url');
    const main = fileURLToPath(new URL('../../lib/cli/main.ts', import.meta.url));
    const child = spawn('sh', ['-c', `"${process.execPath}" "${main}" graph "${fixture('struct.ts')}" | head -1`], { stdio: ['ignore', 'pipe', 'pipe'] });
    let stderr = '';
    child.stderr.on('data', (chunk) => (stderr += String(chunk)));
    await once(child, 'close');
    expect(stderr).toBe('');
  });
});

describe('handoff', () => {
  it('tells what there is, with examples and exit codes', async () => {
    const { code, stdout } = await cli('--help');
    expect(code).toBe(0);
    for (const mention of ['run', 'plan', 'graph', 'Examples:', 'Exit codes:', '130']) expect(stdout).toContain(mention);
  });

  it('tells its version', async () => {
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
    expect(parseNodes('a:cpu=2,memory=4000; b ; c:gpu=1,threads=3,speed=0.5;')).toEqual([
      { name: 'a', capabilities: { cpu: 2, memory: 4000 } }, { name: 'b', capabilities: {} }, { name: 'c', capabilities: { gpu: 1 }, threads: 3, speed: 0.5 },
    ]);
  });

  it.each([['a:cpu=x'], ['a:cpu=-1'], ['a:=1'], ['a:cpu=1=2'], [':cpu=1']])('refuses %s', (text) => {
    expect(() => parseNodes(text)).toThrow('--nodes');
  });
});

describe('output', () => {
  it('knows values that JSON does not', () => {
    expect(JSON.parse(toJson({ big: 1n, map: new Map([[1, 2]]), set: new Set([1]), view: new Uint8Array([1, 2]), error: Object.assign(new TypeError('x'), { code: 'E' }) })))
      .toEqual({ big: '1', map: [[1, 2]], set: [1], view: [1, 2], error: { name: 'TypeError', message: 'x', code: 'E' } });
  });

  it('writes circles, buffers, causes and undefined results too', () => {
    const loop: Record<string, unknown> = { n: 1 };
    loop['self'] = loop;
    expect(JSON.parse(toJson({ loop, none: undefined, bytes: Buffer.from([1, 2]), memory: new Uint8Array([3]).buffer, at: new Date(0), error: new Error('x', { cause: new Error('y') }) })))
      .toEqual({ loop: { n: 1, self: '[circular]' }, none: null, bytes: [1, 2], memory: [3], at: '1970-01-01T00:00:00.000Z', error: { name: 'Error', message: 'x', cause: { name: 'Error', message: 'y' } } });
  });

  it('shows a text as it is', () => {
    expect(toText('a\nb')).toBe('a\nb');
    expect(toText({ a: [1] })).toBe('{ a: [ 1 ] }');
  });

  it('lines columns up', () => {
    expect(toTable(['name', 'n'], [['a', 1], ['long name', 22.5]])).toBe('name          n\na             1\nlong name  22.5');
  });
});

describe('the progress view on a terminal', () => {
  it('draws a bar and what runs where, in place, and ends with the whole', () => {
    let written = '';
    const stream = { isTTY: true, columns: 100, rows: 24, write: (chunk: string) => { written += chunk; return true; }, on() {}, hasColors: () => false } as unknown as NodeJS.WriteStream;
    const view = createProgressView('d', stream);
    const at = performance.timeOrigin + performance.now();
    const of = { dagId: 'd', at, node: 'n', attempt: 1, thread: 0 };
    const events: HandoffEvent[] = [
      { type: 'run:started', dagId: 'd', at, functions: 3 },
      { type: 'function:started', functionId: 'x', ...of }, { type: 'function:finished', functionId: 'x', durationMs: 1, ...of },
      { type: 'function:started', functionId: 'y', ...of }, { type: 'function:started', functionId: 'z', ...of },
      { type: 'function:retried', functionId: 'y', error: new Error('e'), delayMs: 0, ...of },
      { type: 'function:started', functionId: 'elsewhere', ...of, dagId: 'other' },
    ];
    for (const event of events) view.record(event);
    view.close();
    const plain = stripVTControlCharacters(written);
    expect(plain).toContain('1/3');
    expect(plain).toContain('1 retried');
    expect(plain).toContain('n z');
    expect(written).not.toContain('elsewhere');
  });
});
