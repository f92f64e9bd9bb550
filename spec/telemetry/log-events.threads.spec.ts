import { Writable } from 'node:stream';
import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import { type EventLogger, eventTypes, Handoff, logEvents } from '../../lib/index.ts';
import { c, dagOf, errorOf, t, thrownBy, useHandoff } from '../support/handoff.ts';

const handoff = useHandoff();
let stop = (): void => {};
afterEach(() => stop());

/** A logger of the real pino, and the lines that it has written. */
function logger(level: string): { readonly log: pino.Logger; readonly lines: any[] } {
  const lines: any[] = [];
  const log = pino(
    { level },
    new Writable({
      write(chunk, _, done) {
        lines.push(JSON.parse(String(chunk)));
        done();
      },
    }),
  );
  return { log, lines };
}

const listened = (): string[] => eventTypes.filter((type) => handoff().listenerCount(type) > 0);
const brief = (lines: readonly any[]): string[] => lines.map(({ level, msg }) => `${pino.levels.labels[level]} ${msg}`);

describe('logEvents', () => {
  it('writes the story of a run, each event at its level, with its fields and its error under err', async () => {
    const { log, lines } = logger('debug');
    stop = logEvents(handoff(), log);
    await errorOf(handoff().execute(dagOf({ id: 'a', code: t.boom, maxRetries: 1 })));
    expect(brief(lines)).toEqual([
      'info run:started',
      'debug function:started',
      'warn function:retrying',
      'debug function:started',
      'error function:failed',
      'error run:failed',
    ]);
    expect(lines[2]).toMatchObject({
      functionId: 'a',
      attempt: 1,
      delayMs: 0,
      err: {
        type: 'TaskError',
        message: expect.stringContaining('boom'),
        stack: expect.stringContaining('tasks.ts'),
        code: 'E_TASK',
      },
    });
    expect(lines[5]).toMatchObject({ err: { code: 'FUNCTION_FAILED' } });
    expect(lines[0]).toMatchObject({ dagId: expect.any(String), functions: 1, at: expect.any(Number) });
    expect(lines.every((line) => !('error' in line) && !('type' in line))).toBe(true);
  });

  it('writes what functions log, and crashes of threads', async () => {
    const { log, lines } = logger('info');
    stop = logEvents(handoff(), log);
    await errorOf(
      handoff().execute(
        dagOf({ id: 'l', code: c.logs }, { id: 'x', code: t.exit, args: [], extraArgs: [3], maxRetries: 0 }),
        { failurePolicy: 'continue' },
      ),
    );
    expect(brief(lines)).toEqual(
      expect.arrayContaining(['info function:log', 'error worker:crashed', 'error function:failed']),
    );
    expect(lines.find(({ msg }) => msg === 'function:log')).toMatchObject({
      functionId: 'l',
      values: ['hello', { n: 1 }, expect.any(String)],
    });
    expect(lines.find(({ msg }) => msg === 'worker:crashed')).toMatchObject({
      reason: 'exit',
      node: expect.any(String),
      thread: expect.any(Number),
    });
  });

  it('asks for nothing that the logger would not let through, and for no bulk event', () => {
    stop = logEvents(handoff(), logger('warn').log);
    expect(listened()).not.toContain('function:finished');
    expect(listened()).not.toContain('run:started');
    expect(listened()).toContain('function:retrying');
    stop();
    stop = logEvents(handoff(), logger('silent').log);
    expect(listened()).toEqual([]);
    stop = logEvents(handoff(), logger('trace').log);
    expect(listened().sort()).toEqual(eventTypes.filter((type) => type !== 'attempts').sort());
  });

  it('checks again when the level of the logger is changed', () => {
    const { log } = logger('error');
    stop = logEvents(handoff(), log);
    expect(listened()).not.toContain('run:started');
    log.level = 'info';
    expect(listened()).toContain('run:started');
    log.level = 'error';
    expect(listened()).not.toContain('run:started');
    stop();
    log.level = 'info';
    expect(listened()).toEqual([]);
  });

  it('asks for nothing below the level that it was given', () => {
    stop = logEvents(handoff(), logger('trace').log, { level: 'error' });
    expect(listened()).toContain('function:failed');
    expect(listened()).not.toContain('function:retrying');
  });

  it('takes any logger that is called in the same way', async () => {
    const lines: unknown[] = [];
    const write = (fields: Record<string, unknown>, message: string): void =>
      void lines.push([message, fields['dagId']]);
    const plain: EventLogger = { trace: write, debug: write, info: write, warn: write, error: write };
    stop = logEvents(handoff(), plain, { level: 'info' });
    const { dagId } = await handoff().execute(dagOf({ id: 'a', code: t.one }));
    expect(lines).toEqual([
      ['run:started', dagId],
      ['run:finished', dagId],
    ]);
  });

  it.each([
    ['no Handoff', () => logEvents({} as Handoff, logger('info').log), 'handoff'],
    ['a logger without levels', () => logEvents(handoff(), { info() {} } as never), 'a logger such as pino'],
    [
      'a level that is none',
      () => logEvents(handoff(), logger('info').log, { level: 'loud' as never }),
      "'trace', 'debug', 'info', 'warn' or 'error'",
    ],
  ])('refuses %s', (_, act, message) => {
    expect(thrownBy(act)).toMatchObject({ code: 'INVALID_OPTION', message: expect.stringContaining(message) });
    expect(listened()).toEqual([]);
  });
});
