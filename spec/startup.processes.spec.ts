/** What `import 'handoffjs'` and a first run load. Every module costs time in every process that uses the library. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const library = new URL('../lib/index.ts', import.meta.url).href;
const fixtures = new URL('./fixtures/small-tasks.ts', import.meta.url).href;

/** Node's own modules that a program has loaded when it ends. */
function builtinsOf(program: string, folder = process.cwd()): string[] {
  const report =
    "process.on('exit', () => process.getBuiltinModule('node:fs').writeSync(1, JSON.stringify(process.moduleLoadList.filter((name) => name.startsWith('NativeModule ')).map((name) => name.slice(13)))));";
  // A pipe to print errors to would itself need node:net.
  const { status, stdout } = spawnSync(process.execPath, ['--input-type=module', '--eval', `${report}\n${program}`], {
    stdio: ['ignore', 'pipe', 'ignore'],
    encoding: 'utf8',
    cwd: folder,
    env: { ...process.env, NODE_OPTIONS: '', TMPDIR: folder }, // lib/ as it is, without the bundle of the specs
  });
  expect(status).toBe(0);
  return JSON.parse(stdout) as string[];
}

const network = ['net', 'tls', 'http', 'https', 'dgram', 'dns'];

it('an import loads neither network nor cryptography', () => {
  const loaded = builtinsOf(`await import('${library}');`);
  expect(loaded).toContain('worker_threads');
  expect(loaded.filter((name) => [...network, 'crypto', 'sqlite', 'inspector'].includes(name))).toEqual([]);
});

it('a run on one host loads neither a network protocol nor cryptography', () => {
  const loaded = builtinsOf(`
    const { Dag, Handoff, tasks } = await import('${library}');
    const handoff = await Handoff.start({ nodes: [{ name: 'a', capabilities: { cpu: 1 } }] });
    const { results } = await handoff.execute(new Dag().add({ id: 'a', code: tasks(new URL('${fixtures}')).one }));
    await handoff.stop();
    if (results.a !== 1) throw new Error('wrong result');`);
  // A pipe as standard output needs node:net by itself.
  const needless = [...network.filter((name) => name !== 'net'), 'crypto', 'internal/crypto/webcrypto'];
  expect(loaded.filter((name) => needless.includes(name))).toEqual([]);
});

it('a run without a journal loads no database, and leaves nothing on disk', () => {
  const folder = mkdtempSync(join(tmpdir(), 'handoff-empty-'));
  try {
    const loaded = builtinsOf(
      `
      const { Dag, Handoff, tasks } = await import('${library}');
      const handoff = await Handoff.start({ nodes: [{ name: 'a', capabilities: { cpu: 1 } }] });
      await handoff.execute(new Dag().add({ id: 'a', code: tasks(new URL('${fixtures}')).one }), { runId: 'r' });
      await handoff.stop();`,
      folder,
    );
    expect(loaded).not.toContain('sqlite');
    expect(readdirSync(folder)).toEqual([]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
