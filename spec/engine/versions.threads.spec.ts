/** Modules that change while a host runs: no two threads run different versions of them. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Handoff, tasks } from '../../lib/index.ts';
import { Gate } from '../support/gate.ts';
import { dagOf, errorOf, t } from '../support/handoff.ts';

const root = mkdtempSync(join(tmpdir(), 'handoff-spec-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

interface Thing {
  which(): string;
  end(): void;
}

let handoff: Handoff;
let folder: string;
let code: any;
const write = (file: string, text: string): void => writeFileSync(join(folder, file), text);
const helper = (version: string): string => `export const version = ${JSON.stringify(version)};\n`;

beforeEach(async () => {
  folder = mkdtempSync(join(root, 'app-'));
  write('helper.mjs', helper('one'));
  write(
    'tasks.mjs',
    `import { version } from './helper.mjs';
export const which = () => version;
export const end = () => process.exit(1);
export class Thing { which() { return version; } end() { process.exit(1); } }
`,
  );
  write('others.mjs', 'import { version } from "./helper.mjs";\nexport const which = () => version;\n');
  code = tasks(pathToFileURL(join(folder, 'tasks.mjs')));
  handoff = await Handoff.start({
    nodes: [{ name: 'n', capabilities: { cpu: 2 }, threads: 2 }],
    costModel: { learn: false },
    maxRetries: 0,
  });
});
afterEach(() => handoff.stop({ drain: false }));

const which = (of = code): Promise<any> =>
  handoff.execute(dagOf(...Array.from({ length: 20 }, (_, i) => ({ id: `f${i}`, code: of.which }))));
const versionsIn = ({ results }: { readonly results: Record<string, unknown> }): unknown[] => [
  ...new Set(Object.values(results)),
];
/** Runs it once on each thread. */
async function onBoth(): Promise<void> {
  const gate = new Gate();
  const busy = handoff.execute(dagOf({ id: 'busy', code: t.waitAtGate, extraArgs: [gate.memory] }));
  await gate.arrived(1);
  await which();
  const other = new Gate();
  const next = handoff.execute(dagOf({ id: 'busy', code: t.waitAtGate, extraArgs: [other.memory] }));
  await other.arrived(1);
  gate.release();
  await busy;
  await which();
  other.release();
  await next;
}
async function endOneThread(): Promise<void> {
  const restarted = new Promise((resolve) => handoff.once('worker:restarted', resolve));
  await errorOf(handoff.execute(dagOf({ id: 'x', code: code.end })));
  await restarted;
}

describe('a module that changes', () => {
  it('stays unchanged for threads that have imported it', async () => {
    await onBoth();
    write('helper.mjs', helper('two'));
    expect(versionsIn(await which())).toEqual(['one']);
  });

  it.each(['helper.mjs', 'tasks.mjs'])('is refused for new runs once a thread starts anew (%s)', async (file) => {
    await which();
    write(file, file === 'helper.mjs' ? helper('two') : 'export const which = () => "two";\n');
    await endOneThread();
    const error = await errorOf(which());
    expect(error).toMatchObject({ code: 'VERSION_MISMATCH', file: join(folder, file) });
    for (const part of [file, 'reload()']) expect(error.message).toContain(part);
    expect((await handoff.execute(dagOf({ id: 'x', code: t.one }))).results).toEqual({ x: 1 }); // others go on
  });

  it('fails functions on threads that have not imported it yet, and never mixes two versions in one run', async () => {
    const gate = new Gate();
    // One thread will not know it.
    const busy = handoff.execute(dagOf({ id: 'busy', code: t.waitAtGate, extraArgs: [gate.memory] }));
    await gate.arrived(1);
    expect(versionsIn(await which())).toEqual(['one']);
    write('helper.mjs', helper('two'));
    gate.release();
    await busy;
    for (let round = 0; round < 10; round++) {
      const outcome = await which().then(versionsIn, (error: any) => error.cause?.code ?? error.code);
      expect([['one'], 'VERSION_MISMATCH']).toContainEqual(outcome);
    }
  });

  it('is refused through another module that imports the same file', async () => {
    await which();
    write('helper.mjs', helper('two'));
    expect(await errorOf(which(tasks(pathToFileURL(join(folder, 'others.mjs')))))).toMatchObject({
      code: 'VERSION_MISMATCH',
      file: join(folder, 'helper.mjs'),
    });
  });

  it('counts as unchanged when it is rewritten with the same content', async () => {
    await which();
    write('helper.mjs', helper('one'));
    await endOneThread();
    expect(versionsIn(await which())).toEqual(['one']);
  });

  it('is refused to an actor that restarts', async () => {
    const actor = await handoff.spawn<Thing, []>(code.Thing, { name: 'thing', maxRestarts: 1 });
    expect(await actor.ask.which()).toBe('one');
    write('helper.mjs', helper('two'));
    await errorOf(actor.ask.end());
    const error = await errorOf(actor.ask.which());
    expect(error.message).toContain('reload()');
  });
});

describe('reload()', () => {
  it('takes the current modules for all threads', async () => {
    await onBoth();
    write('helper.mjs', helper('two'));
    await handoff.reload();
    await onBoth();
    expect(versionsIn(await which())).toEqual(['two']);
  });

  it('ends the refusal', async () => {
    await which();
    write('helper.mjs', helper('two'));
    await endOneThread();
    expect((await errorOf(which())).code).toBe('VERSION_MISMATCH');
    await handoff.reload();
    expect(versionsIn(await which())).toEqual(['two']);
  });

  it('lets running runs end, and makes others wait', async () => {
    const gate = new Gate();
    const busy = handoff.execute(
      dagOf(
        { id: 'busy', code: t.waitAtGate, extraArgs: [gate.memory] },
        { id: 'after', code: code.which, args: ['busy'] },
      ),
    );
    await gate.arrived(1);
    const reloaded = handoff.reload();
    const later = which();
    write('helper.mjs', helper('two'));
    gate.release();
    expect((await busy).results).toMatchObject({ after: 'one' });
    await reloaded;
    expect(versionsIn(await later)).toEqual(['two']);
  });

  it('gives restarted actors the new version', async () => {
    const actor = await handoff.spawn<Thing, []>(code.Thing, { name: 'thing' });
    write('helper.mjs', helper('two'));
    await handoff.reload();
    expect(await actor.ask.which()).toBe('one');
    await errorOf(actor.ask.end());
    expect(await actor.ask.which()).toBe('two');
  });

  it('is STOPPED after stop()', async () => {
    await handoff.stop();
    expect(await errorOf(handoff.reload())).toMatchObject({ code: 'STOPPED' });
  });
});
