/** The same code on every host: found below its root, and the same there. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { fromSource, tasks } from '../../../lib/index.ts';
import { dagOf, errorOf } from '../../support/handoff.ts';
import { next, startHere, startHost, useCluster } from '../../support/hosts.ts';
import { f, Folder, temporary, until } from './folder.ts';

/** A folder with a module whose function gives `value`, and the tasks of it. */
function rootWith(value: string | undefined): { root: string; which: any } {
  const root = temporary();
  const file = join(root, 'versioned.mjs');
  if (value !== undefined)
    writeFileSync(file, `export function which(tail = '') { return ${JSON.stringify(value)} + tail; }\n`);
  return { root, which: (tasks(pathToFileURL(file)) as any).which };
}

/** What most specs use, each with a module of its own: two hosts that have different roots. */
const roots = [temporary(), temporary()] as const;
let modules = 0;

/** A module below the roots of both hosts, or of this one alone, with one text each; and its tasks. */
function module(here: string, there?: string): { name: string; files: string[]; which: any } {
  const name = `versioned${++modules}.mjs`;
  const files = roots.map((root) => join(root, name));
  [here, there].forEach((text, i) => text !== undefined && writeFileSync(files[i]!, text));
  return { name, files, which: (tasks(pathToFileURL(files[0]!)) as any).which };
}

const giving = (value: string): string =>
  `export function which(tail = '') { return ${JSON.stringify(value)} + tail; }\n`;
const node = (name: string): { name: string; capabilities: { cpu: number } } => ({ name, capabilities: { cpu: 1 } });

describe('a module', () => {
  const cluster = useCluster(
    { nodes: [node('near')], transport: { root: roots[0] } },
    { nodes: [node('far')], transport: { root: roots[1] } },
  );

  it('that is the same below the roots of both hosts runs on both, wherever the roots are', async () => {
    const { which } = module(giving('same'), giving('same'));
    const { results } = await cluster.handoff.execute(
      dagOf({ id: 'x', code: which, extraArgs: ['!'], node: 'far' }, { id: 'y', code: which, node: 'near' }),
    );
    expect(results).toEqual({ x: 'same!', y: 'same' });
  });

  it('that is not the same is VERSION_MISMATCH, naming it and both hosts, before anything runs', async () => {
    const {
      handoff,
      hosts: [host],
    } = cluster;
    const { name, which } = module(giving('new'), giving('old'));
    const error = await errorOf(
      handoff.execute(dagOf({ id: 'y', code: which, node: 'near' }, { id: 'x', code: which, node: 'far' })),
    );
    expect(error).toMatchObject({ code: 'VERSION_MISMATCH', module: name });
    expect([...error.hosts!].sort()).toEqual([handoff.address, host!.address].sort());
    for (const part of [name, handoff.address!, host!.address]) expect(error.message).toContain(part);
    expect((await handoff.executeLocal(dagOf({ id: 'y', code: which }))).results).toEqual({ y: 'new' });
  });

  it('that imports something that is not the same is VERSION_MISMATCH, and so is one that imports another version of a package', async () => {
    for (const differ of ['helper', 'package']) {
      roots.forEach((root, version) => {
        writeFileSync(
          join(root, `${differ}-helper.mjs`),
          `export const value = ${differ === 'helper' ? version : 0};\n`,
        );
        mkdirSync(join(root, `node_modules/${differ}-dependency`), { recursive: true });
        writeFileSync(
          join(root, `node_modules/${differ}-dependency/package.json`),
          JSON.stringify({
            name: `${differ}-dependency`,
            version: `1.0.${differ === 'package' ? version : 0}`,
            type: 'module',
            exports: './index.js',
          }),
        );
        writeFileSync(join(root, `node_modules/${differ}-dependency/index.js`), 'export const tail = "";\n');
      });
      const text = `import { value } from "./${differ}-helper.mjs";\nimport { tail } from "${differ}-dependency";\nexport const which = () => value + tail;\n`;
      const { name, which } = module(text, text);
      expect(await errorOf(cluster.handoff.execute(dagOf({ id: 'x', code: which, node: 'far' })))).toMatchObject({
        code: 'VERSION_MISMATCH',
        module: name,
      });
    }
  });

  it('that a host has reloaded is compared again, by both sides', async () => {
    const {
      handoff,
      hosts: [host],
    } = cluster;
    const {
      files: [here, there],
      which,
    } = module(giving('one'), giving('one'));
    const onFar = (): any => dagOf({ id: 'x', code: which, node: 'far' });
    expect((await handoff.execute(onFar())).results).toEqual({ x: 'one' });
    writeFileSync(there!, giving('two'));
    expect((await handoff.execute(onFar())).results).toEqual({ x: 'one' }); // its threads have the old one
    await host!.call('reload');
    expect(await errorOf(handoff.execute(onFar()))).toMatchObject({
      code: 'FUNCTION_FAILED',
      cause: { code: 'VERSION_MISMATCH' },
    }); // what was agreed on before is looked at again
    writeFileSync(here!, giving('two'));
    await handoff.reload();
    expect((await handoff.execute(onFar())).results).toEqual({ x: 'two' });
  });

  it('that a host does not have is FUNCTION_NOT_FOUND, naming it and the host', async () => {
    const {
      handoff,
      hosts: [host],
    } = cluster;
    const { name, which } = module(giving('x'));
    const error = await errorOf(handoff.execute(dagOf({ id: 'x', code: which, node: 'far' })));
    expect(error).toMatchObject({ code: 'FUNCTION_NOT_FOUND', module: name });
    expect(error.message).toContain(host!.address);
  });

  it('that lies outside the root cannot be named, and says so', async () => {
    const error = await errorOf(cluster.handoff.execute(dagOf({ id: 'x', code: rootWith('x').which, node: 'far' })));
    expect(error).toMatchObject({ code: 'FUNCTION_NOT_FOUND' });
    expect(error.message).toContain('root');
  });

  it('that differs on a host without nodes does not matter', async () => {
    const [here, there] = [rootWith('one'), rootWith('two')];
    const host = await startHost({ transport: { root: there.root } });
    const handoff = await startHere({ nodes: [node('near')], join: [host.address], transport: { root: here.root } });
    expect((await handoff.execute(dagOf({ id: 'x', code: here.which }))).results).toEqual({ x: 'one' });
  });

  it('that differs on a host which joins during a run does not fail what others can run', async () => {
    const [here, there] = [rootWith('right'), rootWith('wrong')];
    const folder = new Folder();
    const first = await startHost({ nodes: [node('first')], transport: { root: '/' } });
    const handoff = await startHere({ nodes: [node('near')], join: [first.address], transport: { root: '/' } });
    // Below '/', the module of `here` is the same everywhere; the newcomer has another root, and does not have it.
    const run = handoff.execute(
      dagOf(
        { id: 'door', code: f.passDoor, extraArgs: [folder.path, 'd'], node: 'near' },
        ...Array.from({ length: 20 }, (_, i) => ({ id: `f${i}`, code: here.which, args: ['door'] })),
      ),
    );
    await folder.arrived(1);
    const up = next(handoff, 'node:up', (event) => event.node === 'stranger');
    const stranger = await startHost({
      nodes: [{ name: 'stranger', capabilities: { cpu: 8 }, threads: 4 }],
      join: [first.address],
      transport: { root: there.root },
    });
    await until(async () => 'near' in (await stranger.call('discoverNodes')));
    folder.open();
    const { results } = await run;
    expect(
      Object.values(results).filter((value) => typeof value === 'string' && value.startsWith('right')),
    ).toHaveLength(20);
    await up; // when what it could not have run is over
    expect((await errorOf(handoff.execute(dagOf({ id: 'x', code: here.which, node: 'stranger' })))).code).toBe(
      'FUNCTION_NOT_FOUND',
    );
  });
});

describe('a module, for an orchestrator without nodes,', () => {
  const cluster = useCluster({}, { nodes: [node('far')] });

  it('that does not export the function is FUNCTION_NOT_FOUND', async () => {
    expect(await errorOf(cluster.handoff.execute(dagOf({ id: 'x', code: (f as any).noSuch })))).toMatchObject({
      code: 'FUNCTION_NOT_FOUND',
      functionId: 'x',
    });
    expect((await cluster.handoff.execute(dagOf({ id: 'x', code: f.pid }))).results).toEqual({
      x: cluster.hosts[0]!.pid,
    });
  });

  it('of a package is found by each host on its own', async () => {
    const { nanoid } = tasks<typeof import('nanoid')>('nanoid');
    const { results } = await cluster.handoff.execute(dagOf({ id: 'x', code: nanoid, extraArgs: [7], node: 'far' }));
    expect(results['x']).toHaveLength(7);
  });
});

describe('source text', () => {
  const cluster = useCluster({}, { nodes: [node('open')], options: { allowSource: true } });
  const once = fromSource(() => process.pid);

  it('is run only by hosts with allowSource; executeLocal does not need it', async () => {
    const strict = await startHost({ nodes: [node('strict')] });
    const handoff = await startHere({ nodes: [node('near')], join: [strict.address] });
    expect(await errorOf(handoff.execute(dagOf({ id: 'x', code: once, node: 'strict' })))).toMatchObject({
      code: 'UNAUTHORIZED',
    });
    expect((await handoff.executeLocal(dagOf({ id: 'x', code: once }))).results).toEqual({ x: process.pid });
    expect((await cluster.handoff.execute(dagOf({ id: 'x', code: once }))).results).toEqual({
      x: cluster.hosts[0]!.pid,
    });
  });

  it('is inspected before it is sent: closures are refused, also by an orchestrator without nodes', async () => {
    const outside = 1;
    expect(await errorOf(cluster.handoff.execute(dagOf({ id: 'x', code: fromSource(() => outside) })))).toMatchObject({
      code: 'INLINE_CLOSURE',
      variable: 'outside',
    });
  });
});
