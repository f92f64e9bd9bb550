/** What is seen while a DAG runs, on a terminal of any width and elsewhere. */
import { execFileSync } from 'node:child_process';
import { stripVTControlCharacters } from 'node:util';
import { describe, expect, it } from 'vitest';
import stringWidth from 'string-width';
import { createProgressView, type ProgressView } from '../../../lib/cli/output/progress-view.ts';
import { RunLog } from '../../../lib/cli/output/run-log.ts';
import type { HandoffEvent } from '../../../lib/index.ts';
import type { NodeActivity } from '../../../lib/events/activity.ts';
import type { RunRecord } from '../../../lib/report/run-record.ts';
import { timestamp } from '../../../lib/events/events.ts';
import { fixture } from '../../support/cli.ts';
import { main, Processes } from '../processes.ts';
import { graphOf, origin, type Ran, recordOf } from '../../report/records.ts';
import { describeWith } from '../../support/requires.ts';

// What moves the cursor, and text.
// eslint-disable-next-line no-control-regex -- just that
const moves = /\u001b\[\??(\d*)([a-zA-Z])|\n|[^\u001b\n]+/g;

class Screen {
  written = '';
  readonly stream: NodeJS.WriteStream;
  readonly #own: unknown;

  constructor({
    columns = 100,
    isTTY = true,
    colours = false,
  }: { readonly columns?: number; readonly isTTY?: boolean; readonly colours?: boolean } = {}) {
    const write = (chunk: string): boolean => {
      this.written += chunk;
      return true;
    };
    this.#own = write;
    this.stream = {
      isTTY,
      columns,
      rows: 24,
      write,
      on() {},
      getColorDepth: () => (colours ? 8 : 1),
      hasColors: () => colours,
    } as unknown as NodeJS.WriteStream;
  }

  get isOurs(): boolean {
    return this.stream.write === this.#own;
  }

  /** What stands there in the end, as a terminal would show it. */
  get lines(): string[] {
    const lines = [''];
    let row = 0;
    let column = 0;
    for (const [token, digits, final] of this.written.matchAll(moves)) {
      const count = Number(digits || 1);
      if (token === '\n') [row, column] = [row + 1, 0];
      else if (final === 'A') row -= count;
      else if (final === 'B') row += count;
      else if (final === 'G') column = count - 1;
      else if (final === 'K') lines[row] = digits === '2' ? '' : (lines[row] ?? '').slice(0, column);
      else if (final === undefined) {
        lines[row] =
          (lines[row] ?? '').slice(0, column).padEnd(column) + token + (lines[row] ?? '').slice(column + token.length);
        column += token.length;
      }
      lines[row] ??= '';
    }
    return lines;
  }
}

const node = (name: string, running: readonly string[], more: Partial<NodeActivity> = {}): NodeActivity => ({
  name,
  host: 'local',
  isUp: true,
  declared: { cpu: 2, memory: 4000 },
  claimed: { cpu: 1 },
  used: null,
  threads: running.map((functionId) => ({
    utilization: null,
    heapMb: null,
    queue: 1,
    running: { runId: 'd', dagId: 'd', functionId, since: timestamp() - 100 },
  })),
  ...more,
});

/** A run that began just now. */
function underWay(all: readonly Ran[]): RunRecord {
  const record = recordOf(all);
  const shift = timestamp() - origin - 3000;
  record.startedAt! += shift;
  for (let i = 0; i < all.length; i++) {
    record.begun[i]! += shift;
    record.ended[i]! += shift;
  }
  return record;
}

const hundred: Ran[] = Array.from({ length: 100 }, (_, i) => ({
  id: `f${i}`,
  name: 'f',
  ...(i < 30 && { at: [i * 100, i * 100 + 100] as const }),
}));

describe('the progress view on a terminal', () => {
  it('draws a bar with counts, what is left, and a line for each node with what runs there and what is claimed', () => {
    const screen = new Screen();
    const view = createProgressView(underWay(hundred), screen.stream);
    view.nodes([node('a', ['f30', 'f31']), node('b', [], { isUp: false }), node('c', [])]);
    screen.stream.write('drawn anew\n');
    const [above, bar, ...nodes] = screen.lines;
    expect(above).toBe('drawn anew');
    expect(bar).toMatch(/^d ━+─+ 30\/100 · ~\d.\d s left · 3\.\d s · 2 running · \d+(\.\d+)?\/s$/);
    expect(nodes.slice(0, 3)).toEqual([
      '  a f30, f31  (cpu 1/2 memory 0/4000)',
      '  b down  (cpu 1/2 memory 0/4000)',
      '  c idle  (cpu 1/2 memory 0/4000)',
    ]);
    view.close();
    expect(screen.lines[1]).toMatch(/^d ━+─+ 30\/100/);
    expect(screen.isOurs).toBe(true);
  });

  it('shows how long slow functions have been running, and the run of functions of other runs', () => {
    const screen = new Screen();
    const view = createProgressView(underWay(hundred), screen.stream);
    const thread = { utilization: null, heapMb: null, queue: 1 };
    view.nodes([
      node('a', [], {
        threads: [
          { ...thread, running: { runId: 'd', dagId: 'd', functionId: 'f30', since: timestamp() - 65_000 } },
          { ...thread, running: { runId: 'etl', dagId: 'etl', functionId: 'load', since: timestamp() } },
        ],
      }),
    ]);
    screen.stream.write('x\n');
    expect(screen.lines[2]).toMatch(/^ {2}a f30 1 min \d s, etl\/load {2}\(/);
    view.close();
  });

  it.each([20, 40, 60, 80, 200])('fits into %i columns', (columns) => {
    const screen = new Screen({ columns });
    const view = createProgressView(underWay(hundred), screen.stream);
    view.nodes([node('a-node-with-a-long-name', ['f30', 'f31', 'f32', 'f33', 'f34', 'f35'])]);
    screen.stream.write('x\n');
    expect(Math.max(...screen.lines.map((line) => [...line].length))).toBeLessThanOrEqual(columns);
    expect(screen.lines[1]).toContain('30/100');
    view.close();
  });

  it.each(['日本語の関数の名前', '👩‍👩‍👧‍👦👩‍👩‍👧‍👦👩‍👩‍👧‍👦👩‍👩‍👧‍👦👩‍👩‍👧‍👦', 'e\u0301'.repeat(30), '🇪🇺🇩🇪🇫🇷🇪🇸🇮🇹🇵🇹'])(
    'fits into 40 columns with names of %s, and cuts none within a character',
    (name) => {
      const screen = new Screen({ columns: 40 });
      const record = underWay([{ id: name, name }]);
      const view = createProgressView(record, screen.stream);
      view.nodes([node(name.repeat(2), [name, name, name])]);
      screen.stream.write('x\n');
      const lines = screen.lines.slice(1, 3);
      for (const line of lines) expect(stringWidth(line), line).toBeLessThanOrEqual(40);
      const characters = new Set([...new Intl.Segmenter().segment(name)].map(({ segment }) => segment.normalize()));
      for (const { segment } of new Intl.Segmenter().segment(lines[1]!.split(' ')[2]!.replace('…', '')))
        expect(characters).toContain(segment.normalize());
      // As much as has room is shown: a third of the line for the name of a node, with the sign that there is more.
      if (stringWidth(name.repeat(2)) > 13) expect(stringWidth(lines[1]!.split(' ')[2]!)).toBeGreaterThanOrEqual(12);
      view.close();
    },
  );

  it('moves other output above itself, in whole lines', () => {
    const screen = new Screen();
    const view = createProgressView(underWay(hundred), screen.stream);
    screen.stream.write('one\ntw');
    screen.stream.write('o\n');
    screen.stream.write('the rest');
    view.close();
    expect(screen.lines.slice(0, 3)).toEqual(['one', 'two', 'the rest']);
    expect(screen.lines.filter((line) => line.startsWith('d ━'))).toHaveLength(1);
  });

  it('shows failures and retries', () => {
    const screen = new Screen();
    const record = underWay([{ id: 'a', at: [0, 5], fails: true }, { id: 'b' }]);
    record.retries = 2;
    createProgressView(record, screen.stream).close();
    expect(screen.lines[0]).toMatch(/0\/2 · 1 failed · .* · 2 retried/);
  });

  it('never hides the cursor, and writes no colours to a stream without colours', () => {
    const screen = new Screen();
    const view = createProgressView(underWay(hundred), screen.stream);
    view.nodes([node('\u001b[2Jevil', ['f30'])]);
    view.close();
    expect(screen.written).not.toContain('\u001b[?25l');
    expect(screen.written).not.toContain('\u001b[2J');
    expect([...screen.written.matchAll(moves)].map(([, , final]) => final)).not.toContain('m');
  });

  it('prints plain lines on a terminal that cannot move its cursor', () => {
    const before = process.env['TERM'];
    process.env['TERM'] = 'dumb';
    try {
      const screen = new Screen();
      createProgressView(underWay(hundred), screen.stream).close();
      expect(screen.written).toMatch(/^30\/100 · .*\n$/);
    } finally {
      if (before === undefined) delete process.env['TERM'];
      else process.env['TERM'] = before;
    }
  });
});

it('the progress view shows why a run has not started, and for how long', () => {
  const screen = new Screen();
  const record = underWay(hundred);
  const { startedAt } = record;
  record.startedAt = undefined;
  const view = createProgressView(
    record,
    screen.stream,
    () => 'Run d waits for the import of module x.ts (9 s so far).',
  );
  view.nodes([node('a', [])]);
  expect(screen.lines[0]).toBe('Run d waits for the import of module x.ts (9 s so far).');
  record.startedAt = startedAt;
  view.close();
  expect(screen.lines[0]).toMatch(/^d /);
});

describe('the progress view elsewhere', () => {
  const span = (id: string, ms: number, failed = false): HandoffEvent => ({
    type: 'attempts',
    runId: 'd',
    dagId: 'd',
    at: origin,
    node: 'n',
    thread: 0,
    functionIds: [id],
    attempts: [1],
    spans: [origin, origin + ms],
    bytes: [0],
    failed: failed ? [0] : [],
  });
  const told = (screen: Screen, all: readonly Ran[], events: readonly HandoffEvent[]): void => {
    const record = recordOf(all);
    const view: ProgressView = createProgressView(record, screen.stream);
    for (const event of events) {
      record.record(event);
      view.record(event);
    }
    view.close();
  };

  it('prints a line for each function of a small DAG, and why attempts failed', () => {
    const screen = new Screen({ isTTY: false });
    told(
      screen,
      [{ id: 'a' }, { id: 'b' }],
      [
        span('a', 5),
        span('b', 3, true),
        {
          type: 'function:retrying',
          runId: 'd',
          dagId: 'd',
          at: origin,
          functionId: 'b',
          node: 'n',
          attempt: 1,
          error: new Error('went wrong'),
          delayMs: 0,
        },
        span('b', 2000),
        { ...span('x', 1), runId: 'another' } as HandoffEvent,
      ],
    );
    expect(screen.written).toBe(
      '[1/2] a on n in 5 ms\nb failed on n, trying again: went wrong\n[2/2] b on n in 2.0 s\n',
    );
  });

  it('prints names and errors in one line, without control characters', () => {
    const screen = new Screen({ isTTY: false });
    const id = 'a\u001b[2J\n[2/2] b';
    const at = { runId: 'd', dagId: 'd', at: origin, functionId: id, node: 'n\r', attempt: 1 };
    told(
      screen,
      [{ id }, { id: 'b' }],
      [
        { type: 'function:retrying', ...at, error: new Error('\u001b[31mwent\u001b[0m\nwrong\u0007'), delayMs: 0 },
        { type: 'function:failed', ...at, error: 'x\ny' },
        { ...span(id, 5), node: 'n\r' } as HandoffEvent,
      ],
    );
    const shown = 'a\ufffd[2J\ufffd[2/2] b';
    expect(screen.written).toBe(
      `${shown} failed on n\ufffd, trying again: went wrong\ufffd\n${shown} failed on n\ufffd: x y\n[1/2] ${shown} on n\ufffd in 5 ms\n`,
    );
  });

  it('prints the progress of a large DAG at most once a second', () => {
    const screen = new Screen({ isTTY: false });
    told(
      screen,
      graphOf(hundred).ids.map((id) => ({ id })),
      hundred.map(({ id }) => span(id, 1)),
    );
    expect(screen.written).toMatch(/^100\/100 · [^\n]*\n$/);
  });
});

describe('--log', () => {
  const log = (functionId: string, ...values: unknown[]): HandoffEvent => ({
    type: 'function:log',
    runId: 'd',
    dagId: 'd',
    at: origin,
    functionId,
    node: 'n',
    attempt: 1,
    values,
  });
  const ended: HandoffEvent = {
    type: 'attempts',
    runId: 'd',
    dagId: 'd',
    at: origin,
    node: 'n',
    thread: 0,
    functionIds: ['a'],
    attempts: [1],
    spans: [0, 1],
    bytes: [0],
    failed: [],
  };
  const said = (mode: 'stream' | 'grouped' | 'none', events: readonly HandoffEvent[]): string[] => {
    const lines: string[] = [];
    const runLog = new RunLog('d', mode, (line) => lines.push(line));
    for (const event of events) runLog.record(event);
    lines.push('--');
    runLog.close();
    return lines;
  };
  const events = [
    log('a', 'x', { n: 1 }),
    log('b', 'two\nlines'),
    log('a', 'y'),
    ended,
    { ...log('c'), runId: 'another' } as HandoffEvent,
  ];

  it('stream prints output as it comes', () => {
    expect(said('stream', events)).toEqual(['a: x { n: 1 }', 'b: two\nb: lines', 'a: y', '--']);
  });

  it('grouped prints the output of a function when it has ended, and the rest at the end', () => {
    expect(said('grouped', events)).toEqual(['a: x { n: 1 }\na: y', '--', 'b: two\nb: lines']);
  });

  it('names the function of each line without control characters', () => {
    expect(said('stream', [log('a\u001b[2J\nb', 'x')])).toEqual(['a\ufffd[2J\ufffdb: x', '--']);
  });

  it('none prints nothing', () => {
    expect(said('none', events)).toEqual(['--']);
  });
});

/** `script` gives a command a terminal of its own. */
const hasScript = ((): boolean => {
  try {
    execFileSync('script', ['--version'], { stdio: 'ignore' });
    return process.platform === 'linux';
  } catch {
    return false;
  }
})();

describeWith('the command script of Linux (Debian: apt-get install bsdutils)', hasScript)(
  'handoff run on a terminal',
  () => {
    const processes = new Processes();
    const quoted = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`;
    const onTerminal = (columns: number, ...args: readonly string[]) =>
      processes.startCommand('script', [
        '-qec',
        `stty cols ${columns} rows 30; exec ${[process.execPath, main, ...args].map(quoted).join(' ')}`,
        '/dev/null',
      ]);

    it('ends with a full bar, the summary of the run, and a visible cursor', async () => {
      const { code, stdout } = await onTerminal(40, 'run', fixture('pipeline.ts')).finished;
      expect(code).toBe(0);
      expect(stripVTControlCharacters(stdout)).toContain('8/8');
      expect(stdout).toContain('Critical path: ');
      expect(stdout.lastIndexOf('\u001b[?25l')).toBe(-1);
    });

    it('restores the terminal after Ctrl-C twice in the middle', async () => {
      const child = onTerminal(80, 'run', fixture('slow.ts'));
      await child.printed('slow#1: running');
      child.write('\u0003');
      await child.printed('Running functions finish');
      child.write('\u0003');
      const { code, stdout } = await child.finished;
      expect(code).toBe(130);
      expect(stdout.split('\u001b[?2026h')).toHaveLength(stdout.split('\u001b[?2026l').length);
      expect(stdout).not.toContain('\u001b[?25l');
    });
  },
);
