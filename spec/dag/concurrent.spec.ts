/** Functions that may share a thread: how both forms say so. */
import { describe, expect, it } from 'vitest';
import { compile } from '../../lib/dag/compile/compile.ts';
import { isConcurrent } from '../../lib/dag/compile/compiled-dag.ts';
import { Dag, dag, tasks } from '../../lib/index.ts';
import { thrownBy } from '../support/handoff.ts';

interface Module {
  load(n: number): number;
}
const module = new URL('file:///tasks.js');
const shared = tasks<Module>(module, { concurrent: true });
const plain = tasks<Module>(module);

const concurrentIn = (made: Dag): string[] => {
  const plan = compile(made);
  return plan.entries.flatMap(({ id }, i) => (isConcurrent(plan, i) ? [id] : []));
};

describe('concurrent', () => {
  it('is said of a function, or of a module for all its functions that say nothing', () => {
    const made = new Dag('d')
      .add({ id: 'a', code: plain.load, concurrent: true })
      .add({ id: 'b', code: plain.load })
      .add({ id: 'c', code: shared.load })
      .add({ id: 'd', code: shared.load, priority: 1 })
      .add({ id: 'e', code: shared.load, concurrent: false });
    expect(concurrentIn(made)).toEqual(['a', 'c', 'd']);
    expect(made.get('c')).toMatchObject({ concurrent: true });
    expect(made.get('b')).toMatchObject({ concurrent: false });
  });

  it('is said in the value form in the same ways', () => {
    const made = dag('d', {
      a: plain.load(1).with({ id: 'a', concurrent: true }),
      b: plain.load(1).with({ id: 'b' }),
      c: shared.load(1).with({ id: 'c' }),
      d: shared.load(1).with({ id: 'd', timeout: 5 }),
      e: shared.load(1).with({ id: 'e', concurrent: false }),
    });
    expect(concurrentIn(made)).toEqual(['a', 'c', 'd']);
  });

  it('survives JSON', () => {
    const made = new Dag('d').add({ id: 'a', code: shared.load }).add({ id: 'b', code: plain.load });
    const again = Dag.fromJSON(JSON.parse(JSON.stringify(made)));
    expect(concurrentIn(again)).toEqual(['a']);
    expect(again.toJSON()).toEqual(made.toJSON());
  });

  it('does not concern inline functions, which run inside others', () => {
    const made = new Dag('d')
      .add({ id: 'in', code: shared.load, type: 'inline' })
      .add({ id: 'out', code: plain.load, args: ['in'] });
    expect(made.validate()).toEqual({ ok: true });
    expect(concurrentIn(made)).toEqual([]);
  });

  it('must be true or false', () => {
    expect(thrownBy(() => new Dag().add({ id: 'a', code: plain.load, concurrent: 8 as never })).message).toContain(
      'concurrent must be true or false, got 8',
    );
    expect(thrownBy(() => tasks(module, { concurrent: 'yes' as never }))).toMatchObject({ code: 'INVALID_OPTION' });
    expect(thrownBy(() => tasks(module, { concurent: true } as never)).message).toContain('concurrent');
  });
});
