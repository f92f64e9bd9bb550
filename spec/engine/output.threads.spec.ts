/** `output: 'events'`: what functions print, as events that name the function. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { type EventOf, Handoff, type HandoffOptions, tasks } from '../../lib/index.ts';
import { dagOf, errorOf } from '../support/handoff.ts';

const p = tasks<typeof import('../fixtures/print-tasks.ts')>(new URL('../fixtures/print-tasks.ts', import.meta.url));

let handoff: Handoff | undefined;
afterEach(async () => {
  vi.restoreAllMocks();
  await handoff?.stop();
  handoff = undefined;
});

const start = async (output: NonNullable<HandoffOptions['output']>): Promise<Handoff> =>
  (handoff = await Handoff.start({ nodes: [{ name: 'a', capabilities: { cpu: 1 }, threads: 1 }], output }));

/** What this process writes to stderr from now on, of all that its threads print. */
function stderr(): { readonly text: () => string; said(text: string): Promise<void> } {
  let text = '';
  vi.spyOn(process.stderr, 'write').mockImplementation((chunk) => {
    text += String(chunk);
    return true;
  });
  return {
    text: () => text,
    said: async (what) => vi.waitFor(() => expect(text).toContain(what), { timeout: 120_000, interval: 5 }),
  };
}

describe('what functions print', () => {
  it('arrives as function:log, in order with their logs, and is not printed', async () => {
    await start('events');
    const printed = stderr();
    const events: EventOf<'function:log'>[] = [];
    handoff!.on('function:log', (event) => events.push(event));
    const dag = dagOf(
      { id: 'first', code: p.speak, extraArgs: ['one'] },
      { id: 'second', code: p.speakLater, args: ['first'], extraArgs: ['two'] },
    );
    expect((await handoff!.execute(dag)).results).toEqual({ first: 'one', second: 'two' });
    expect(events.map(({ functionId, node, attempt, values }) => [functionId, node, attempt, values])).toEqual([
      ['first', 'a', 1, ['out one']],
      ['first', 'a', 1, ['err one']],
      ['first', 'a', 1, ['no end']],
      ['second', 'a', 1, ['before two']],
      ['second', 'a', 1, ['after two']],
    ]);
    expect(events[0]).not.toHaveProperty('thread');
    expect(printed.text()).toBe('');
  });

  it('goes to stderr without a listener', async () => {
    await start('events');
    const printed = stderr();
    await handoff!.execute(dagOf({ id: 'f', code: p.speak, extraArgs: ['x'] }));
    await printed.said('out x\nerr x\nno end');
  });

  it('goes to stderr when it comes after its function has ended', async () => {
    await start('events');
    const printed = stderr();
    const told = vi.fn();
    handoff!.on('function:log', told);
    await handoff!.execute(dagOf({ id: 'f', code: p.speakWhenOver }));
    await printed.said('over');
    expect(told).not.toHaveBeenCalled();
  });

  it('is reported even when the function then ends its thread', async () => {
    await start('events');
    stderr();
    const told: unknown[] = [];
    handoff!.on('function:log', ({ values }) => told.push(...values));
    expect(await errorOf(handoff!.execute(dagOf({ id: 'f', code: p.speakAndExit, maxRetries: 0 })))).toMatchObject({
      code: 'FUNCTION_FAILED',
    });
    expect(told).toEqual(['last words']);
  });

  describe('in pieces', () => {
    const toldBy = async (...functions: Parameters<typeof dagOf>): Promise<unknown[]> => {
      await start('events');
      stderr();
      const told: unknown[] = [];
      handoff!.on('function:log', ({ functionId, values }) => told.push([functionId, ...values]));
      await handoff!.execute(dagOf(...functions)).catch(() => told.push('failed'));
      return told;
    };

    it('is reported in lines, in any encoding, without a cut character', async () => {
      expect(await toldBy({ id: 'f', code: p.speakInPieces })).toEqual([
        ['f', 'abc'],
        ['f', 'hello'],
        ['f', 'between'],
        ['f', 'é'],
      ]);
    });

    it('is reported before the end of its function, without output of the next', async () => {
      expect(
        await toldBy(
          { id: 'f', code: p.speakWithoutEnd, extraArgs: ['x'] },
          { id: 'g', code: p.speakWithoutEnd, extraArgs: ['y'] },
        ),
      ).toEqual([
        ['f', 'x and x'],
        ['g', 'y and y'],
      ]);
    });

    it('is reported even if its line never ends, while the function runs', async () => {
      await start('events');
      stderr();
      const heard = new SharedArrayBuffer(4);
      let told = '';
      handoff!.on('function:log', ({ values }) => {
        told += String(values[0]);
        Atomics.store(new Int32Array(heard), 0, 1);
      });
      await handoff!.execute(dagOf({ id: 'f', code: p.speakWithoutEndUntilHeard, extraArgs: [heard] }));
      expect(told).toMatch(/^\.{17000,}$/);
    });

    it.each([
      ['ends its thread', { code: p.speakAndExitInALine }, 'no last words'],
      ['has an uncaught error', { code: p.speakAndThrowLater }, 'about to fail'],
      // Long enough for it to begin, also on a busy machine.
      ['is ended by its timeout', { code: p.speakAndHang, timeout: 4000 }, 'still here'],
    ] as const)('is told of a function that %s', async (_, spec, words) => {
      expect(await toldBy({ id: 'f', maxRetries: 0, ...spec })).toEqual([['f', words], 'failed']);
    });
  });

  it('is not reported unless it was requested', async () => {
    await start('stderr');
    const printed = stderr();
    const told = vi.fn();
    handoff!.on('function:log', told);
    await handoff!.execute(dagOf({ id: 'f', code: p.speak, extraArgs: ['x'] }));
    await printed.said('no end');
    expect(told).not.toHaveBeenCalled();
  });

  it('is an option of three values', async () => {
    for (const output of ['logged', true]) {
      expect(await errorOf(Handoff.start({ output: output as never }))).toMatchObject({
        code: 'INVALID_OPTION',
        option: 'output',
        message: expect.stringContaining("'inherit', 'stderr' or 'events'") as string,
      });
    }
    await expect(Handoff.start({ printToStderr: true } as never)).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      option: 'printToStderr',
    });
  });
});
