/** DAGs and calls of a second copy of the package, as a duplicate in node_modules makes them. */
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import * as own from '../../lib/index.ts';
import { simulate } from '../../lib/simulate.ts';
import { errorOf, thrownBy, useHandoff } from '../support/handoff.ts';

const handoff = useHandoff();
const root = fileURLToPath(new URL('../..', import.meta.url));
let folder = '';
let other: Pick<typeof own, 'Dag' | 'dag' | 'tasks'>;

beforeAll(async () => {
  folder = mkdtempSync(join(root, '.second-copy-'));
  for (const room of ['core', 'dag']) cpSync(join(root, 'lib', room), join(folder, room), { recursive: true });
  const parts = await Promise.all(
    ['dag', 'value-dag', 'reference'].map((file) => import(join(folder, 'dag', `${file}.ts`))),
  );
  other = Object.assign({}, ...parts);
});
afterAll(() => rmSync(folder, { recursive: true }));

const module = new URL('../fixtures/tasks.ts', import.meta.url);

it('are accepted wherever a DAG is', async () => {
  const t = other.tasks<typeof import('../fixtures/tasks.ts')>(module);
  const struct = new other.Dag('theirs').add({ id: 'a', code: t.one }).add({ id: 'b', code: t.double, args: ['a'] });
  const calls = other.dag('calls', { twice: t.double(t.one()) });
  expect(struct).not.toBeInstanceOf(own.Dag);
  expect((await handoff().execute(struct as own.Dag)).results).toEqual({ a: 1, b: 2 });
  expect(await handoff().run(calls as unknown as own.ValueDag<any>)).toEqual({ twice: 2 });
  expect((await handoff().plan(struct as own.Dag)).schedule).toHaveLength(2);
  expect(simulate(struct as own.Dag, { nodes: [{ name: 'a', capabilities: { cpu: 1 } }] }).outcome).toEqual({
    ok: true,
  });
  expect(own.toMermaid(struct as own.Dag)).toBe(own.toMermaid(own.Dag.fromJSON(struct.toJSON())));
  expect(own.toDot(struct as own.Dag)).toContain('double');
});

it('are refused as arguments and outputs, by a text that says what they are', async () => {
  const theirs = other.tasks<any>(module);
  const ours = own.tasks<any>(module);
  expect(thrownBy(() => own.dag('d', ours.double(theirs.one()))).message).toMatch(/extraArgs\[0\] is a call/);
  expect(thrownBy(() => own.dag('d', theirs.one())).message).toMatch(
    /outputs of a DAG must be calls.+another copy of handoffjs.+npm ls handoffjs/,
  );
  expect(thrownBy(() => own.dag('d', ours.one().after(theirs.one()))).message).toMatch(
    /after\(\) takes calls.+another copy of handoffjs/,
  );
});

it.each<[string, unknown, RegExp]>([
  [
    'a call',
    own.tasks<any>(module).one(),
    /takes a Dag.+got Call one\(\)\. That is a call: wrap it, as in dag\('name', call\)/,
  ],
  ['a stored DAG', { id: 'x', functions: [] }, /That is a stored DAG: pass it through Dag\.fromJSON\(\)/],
  ['nothing', undefined, /takes a Dag: new Dag\(id\)\.add\(…\), or dag\(name, outputs\); got undefined/],
  ['a text', 'x', /got "x"/],
])('what is no DAG is refused, with what to do: %s', async (_, given, message) => {
  for (const error of [
    await errorOf(handoff().execute(given as own.Dag)),
    await errorOf(handoff().executeLocal(given as own.Dag)),
    await errorOf(handoff().plan(given as own.Dag)),
    await errorOf(handoff().run(given as own.ValueDag<any>)),
    thrownBy(() => simulate(given as own.Dag, { nodes: [{ name: 'a', capabilities: {} }] })),
    thrownBy(() => own.toMermaid(given as own.Dag)),
  ]) {
    expect(error.code).toBe('INVALID_FUNCTION');
    expect(error.message).toMatch(message);
  }
});

it('run() collects the outputs, and refuses to collect otherwise', async () => {
  const error = await errorOf(handoff().run(own.dag('d', own.tasks<any>(module).one()), { collect: 'all' } as never));
  expect(error).toMatchObject({
    code: 'INVALID_OPTION',
    option: 'collect',
    message: expect.stringContaining('use execute()'),
  });
});
