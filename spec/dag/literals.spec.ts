/** Values written into a DAG: when they are copied, and what is refused. */
import { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { choose, Dag, dag, Handoff, optional, resultOf, type FunctionSpec, tasks } from '../../lib/index.ts';
import { compile } from '../../lib/dag/compile/compile.ts';
import { partsOf } from '../../lib/dag/dag.ts';
import { thrownBy } from '../support/handoff.ts';

const t = tasks<any>(new URL('../fixtures/tasks.ts', import.meta.url));
function argumentsOf(..._: unknown[]): unknown {
  return arguments;
}
const code = { module: 'file:///m.js', export: 'f' };

describe('what is written into a function is copied when the function is added', () => {
  it.each<[string, () => Partial<FunctionSpec>, (spec: any) => void]>([
    ['extraArgs', () => ({ extraArgs: [{ min: 1 }] }), (spec) => (spec.extraArgs[0].min = 2)],
    ['the list of extraArgs', () => ({ extraArgs: [1] }), (spec) => spec.extraArgs.push(2)],
    ['bytes', () => ({ extraArgs: [new Uint8Array(4)] }), (spec) => spec.extraArgs[0].fill(1)],
    ['large bytes', () => ({ extraArgs: [new Float64Array(100_000)] }), (spec) => spec.extraArgs[0].fill(1)],
    ['args', () => ({ args: ['b'] }), (spec) => spec.args.push('c')],
    [
      'the extraArgs of a transform',
      () => ({ args: [{ id: 'b', serialize: { code, extraArgs: [[1]] } }] }),
      (spec) => spec.args[0].serialize.extraArgs[0].push(2),
    ],
    ['cost', () => ({ cost: { cpu: 1 } }), (spec) => (spec.cost.cpu = 2)],
    ['retryDelay', () => ({ retryDelay: { initial: 1, factor: 2 } }), (spec) => (spec.retryDelay.initial = 9)],
    ['node', () => ({ node: { collocatedWith: 'b' } }), (spec) => (spec.node.collocatedWith = 'c')],
    ['layout', () => ({ layout: [{ list: [{ value: { x: 1 } }] }] }), (spec) => (spec.layout[0].list[0].value.x = 2)],
    ['init', () => ({ init: { code, extraArgs: [{ x: 1 }] } }), (spec) => (spec.init.extraArgs[0].x = 2)],
  ])('%s', (_, fields, change) => {
    const spec = { id: 'a', code, ...fields() };
    const made = new Dag('d').add(spec);
    change(spec);
    expect(made.toJSON()).toEqual(new Dag('d').add({ id: 'a', code, ...fields() }).toJSON());
  });

  it('and what a DAG gives of itself is a copy too', () => {
    const made = new Dag('d').add({ id: 'a', code, extraArgs: [{ x: 1 }] });
    for (const given of [made.get('a')!, made.functions.get('a')!, made.toJSON().functions[0]!])
      (given.extraArgs as any[])[0].x = 2;
    expect(made.get('a')!.extraArgs).toEqual([{ x: 1 }]);
  });

  it('also as arguments of a call, so that one object may be changed from call to call', () => {
    const options = { min: 0, tags: ['x'] };
    const calls = [1, 2].map((min) => {
      options.min = min;
      return t.f(options, [t.g(), options]);
    });
    options.tags.push('y');
    const made = dag('d', calls);
    expect(made.get('f#1')!.layout).toEqual([
      { value: { min: 1, tags: ['x'] } },
      { list: [{ arg: 0 }, { value: { min: 1, tags: ['x'] } }] },
    ]);
    expect(made.get('f#2')!.layout).toEqual([
      { value: { min: 2, tags: ['x'] } },
      { list: [{ arg: 0 }, { value: { min: 2, tags: ['x'] } }] },
    ]);
  });

  it('but once, however many functions are given the same value', () => {
    const rows = Array.from({ length: 1000 }, (_, id) => ({ id }));
    const made = new Dag('d').add({ id: 'a', code, extraArgs: [rows] }).add({ id: 'b', code, extraArgs: [rows] });
    rows[0]!.id = 7;
    made.add({ id: 'c', code, extraArgs: [rows] });
    const [a, b, c] = partsOf(made).entries.map(({ extraArgs }) => extraArgs[0]);
    expect(b).toBe(a);
    expect(c).not.toBe(a);
    const ofCalls = partsOf(dag('calls', [t.f(rows), t.f(t.g(), [t.g(), rows])])).entries.map(
      ({ extraArgs, traits }) => extraArgs[0] ?? traits.layout?.[1],
    );
    expect(ofCalls[0]).toBe(c);
    expect(compile(made).size).toBe(3);
  });
});

describe('what has no value of its own is refused as one', () => {
  const other = new Dag('other').add({ id: 'a', code });
  it.each<[string, () => unknown, string, RegExp]>([
    ['a DAG', () => dag('d', t.f(other)), 'NOT_SERIALIZABLE', /"f#1": extraArgs\[0\] is a DAG, which has no value/],
    [
      'a DAG of calls',
      () => dag('d', t.f(1, { rows: dag('x', t.g()) })),
      'NOT_SERIALIZABLE',
      /extraArgs\[1\]\.rows is a DAG/,
    ],
    [
      'a DAG in the struct form',
      () => new Dag().add({ id: 'b', code, extraArgs: [[other]] }),
      'NOT_SERIALIZABLE',
      /"b": extraArgs\[0\]\[0\] is a DAG/,
    ],
    [
      'a DAG beside a call in a list',
      () => dag('d', t.f([t.g(), other])),
      'NOT_SERIALIZABLE',
      /argument\[0\]\[1\] is a DAG/,
    ],
    [
      'a call in an object',
      () => dag('d', t.f({ rows: t.g() })),
      'NOT_SERIALIZABLE',
      /extraArgs\[0\]\.rows is a call where only plain values may stand/,
    ],
    ['a call in a Map', () => dag('d', t.f(new Map([['rows', t.g()]]))), 'NOT_SERIALIZABLE', /get\(rows\) is a call/],
    [
      'a call in the struct form',
      () => new Dag().add({ id: 'b', code, extraArgs: [t.g()] }),
      'NOT_SERIALIZABLE',
      /is a call/,
    ],
    [
      'a task that is not called',
      () => dag('d', t.f(t.g)),
      'NOT_SERIALIZABLE',
      /the task g, which is not called: write g\(…\)/,
    ],
    ['all tasks of a module', () => dag('d', t.f(t)), 'NOT_SERIALIZABLE', /the tasks of file:/],
    [
      'a signal',
      () => dag('d', t.f({ signal: new AbortController().signal })),
      'NOT_SERIALIZABLE',
      /an AbortSignal \(inside a function, context\(\)\.signal is its own\)/,
    ],
    [
      'a list too long for a call',
      () => new Dag().add({ id: 'b', code, extraArgs: Object.assign([], { length: 2e8 }) }),
      'INVALID_FUNCTION',
      /a list of at most/,
    ],
    [
      'a call in a text',
      () => `${t.g(1)}`,
      'INVALID_FUNCTION',
      /The call g\(…\) is used as a text or a number.+pass it as an argument/,
    ],
    ['a call in a sum', () => t.g(1) + 1, 'INVALID_FUNCTION', /The call g\(…\) is used as a text/],
    ['a call in a comparison', () => t.g(1) > 1, 'INVALID_FUNCTION', /The call g/],
    ['a call as String()', () => String(t.g(1)), 'INVALID_FUNCTION', /The call g/],
    [
      'a call in JSON',
      () => JSON.stringify({ rows: t.g(1) }),
      'INVALID_FUNCTION',
      /The call g\(…\) is turned into JSON/,
    ],
    ['a call as a key', () => ({})[t.g(1) as never], 'INVALID_FUNCTION', /The call g/],
    ['a task in a text', () => `${t.g}`, 'INVALID_FUNCTION', /The task g is used as a text.+call it/],
    ['a task in JSON', () => JSON.stringify({ g: t.g }), 'INVALID_FUNCTION', /The task g is turned into JSON/],
    ['a DAG of calls in a text', () => `${dag('d', t.g(1))}`, 'INVALID_FUNCTION', /A DAG is used as a text.+its id/],
    ['a DAG as a number', () => +(new Dag() as never), 'INVALID_FUNCTION', /A DAG is used as a text or a number/],
    [
      'a choice in a text',
      () => `${choose(t.g(1), t.g(2))}`,
      'INVALID_FUNCTION',
      /choose\(…\) or optional\(…\) is used/,
    ],
    ['an optional call in a text', () => `${optional(t.g(1))}`, 'INVALID_FUNCTION', /optional\(…\) is used as a text/],
    ['a result of another run in a text', () => `${resultOf('r', 'x')}`, 'INVALID_FUNCTION', /resultOf\(…\) is used/],
    ['tasks in a text', () => `${t}`, 'INVALID_FUNCTION', /The tasks of file:.+ are used as a text/],
  ])('%s', (_, misuse, expectedCode, message) => {
    const error = thrownBy(misuse);
    expect(error.code).toBe(expectedCode);
    expect(error.message).toMatch(message);
  });

  const moved = new ArrayBuffer(8);
  structuredClone(moved, { transfer: [moved] });
  const throwing = {
    get rows() {
      throw new TypeError('it is closed');
    },
  };
  const revoked = Proxy.revocable({}, {});
  revoked.revoke();

  it.each<[string, unknown, RegExp]>([
    ['a Handoff', Object.create(Handoff.prototype), / is a Handoff, which belongs to its thread/],
    ['a generator', (function* () {})(), / is an object of type Generator/],
    ['an iterator', new Map().values(), / is an object of type Map Iterator/],
    ['a stream', Readable.from([1]), / is an object of type Readable/],
    ['a web stream', new ReadableStream(), / is an object of type ReadableStream/],
    ['a socket', new Socket(), / is an object of type Socket/],
    ['a URL', new URL('http://localhost'), / is an object of type URL/],
    ['what formats', new Intl.NumberFormat(), / is an object of type Intl.NumberFormat/],
    ['what decodes', new TextDecoder(), / is an object of type TextDecoder/],
    ['arguments of a function', argumentsOf(1, 2), / is an object of type Arguments/],
    ['a promise', Promise.resolve(1), / is a promise/],
    ['a WeakMap', new WeakMap(), / is a WeakMap/],
    ['a function with fields', Object.assign(() => {}, { count: 1 }), / is the function/],
    ['an error that holds a function', Object.assign(new Error('x'), { retry() {} }), /\.retry is the function retry/],
    ['bytes that were transferred', moved, / is an ArrayBuffer that was transferred away/],
    ['a getter that throws', throwing, / throws when it is read \(it is closed\)/],
    ['a proxy that was revoked', revoked.proxy, / throws when it is read/],
  ])('%s, wherever it stands', (_, value, message) => {
    const forms: readonly (() => unknown)[] = [
      () => dag('d', t.f(value)),
      () => dag('d', t.f([t.g(), value])),
      () => new Dag().add({ id: 'f#1', code, extraArgs: [value] }),
      () => new Dag().add({ id: 'f#1', code, layout: [{ list: [{ value }] }] }),
      () => new Dag().add({ id: 'f#1', code, init: { code, extraArgs: [value] } }),
    ];
    for (const misuse of forms) {
      const error = thrownBy(misuse);
      expect(error.code, error.message).toBe('NOT_SERIALIZABLE');
      expect(error.message).toMatch(message);
      expect(error.message).toMatch(/(Function "f#1"|The call f\(…\)): (argument|extraArgs|init: extraArgs)\[\d\]/);
    }
  });

  it('instances of classes with a tag of their own are data, however deep', () => {
    class Link {
      readonly next: Link | undefined;
      constructor(next?: Link) {
        this.next = next;
      }
      get [Symbol.toStringTag](): string {
        return 'Link';
      }
    }
    let list = new Link();
    for (let k = 0; k < 5000; k++) list = new Link(list);
    expect(() => dag('d', t.f(list))).not.toThrow();
  });

  it('and so is a value whose getters make new objects without end', () => {
    const endless = (): unknown => Object.defineProperty({}, 'next', { enumerable: true, get: endless });
    const error = thrownBy(() => dag('d', t.f(endless())));
    expect(error.code).toBe('NOT_SERIALIZABLE');
    expect(error.message).toContain('argument[0] is nested more than 1,000,000 levels deep');
  });

  it('a field is checked before others are copied', () => {
    expect(thrownBy(() => new Dag().add({ id: 'a', code, timeout: 5, layout: 5 as never })).code).toBe(
      'INVALID_FUNCTION',
    );
  });

  it('the path to what is deep inside is shortened', () => {
    let value: unknown = () => {};
    for (let depth = 0; depth < 10_000; depth++) value = { next: value };
    expect(thrownBy(() => dag('d', t.f(value))).message.length).toBeLessThan(400);
  });

  it('and outputs that are not calls are named, nested ones too', () => {
    expect(thrownBy(() => dag('d', { a: { b: t.g() } } as never)).message).toMatch(/outputs of a DAG must be calls/);
    expect(thrownBy(() => dag('d', t.g(1).after({ x: t.g() } as never))).message).toMatch(/after\(\) takes calls/);
  });

  it('a call shows what it is to who logs it', async () => {
    const { inspect } = await import('node:util');
    expect(inspect(t.clean(t.load('a.csv'), 10))).toBe('Call clean(load(…), 10)');
  });
});

describe('inline functions refuse what they would not heed', () => {
  it.each([
    ['timeout', 5],
    ['retryIf', code],
  ] as const)('%s', (field, value) => {
    const check = new Dag()
      .add({ id: 'i', code, type: 'inline', [field]: value })
      .add({ id: 'b', code, args: ['i'] })
      .validate();
    expect(check).toMatchObject({ ok: false, error: { code: 'INVALID_INLINE_FUNCTION', functionId: 'i' } });
    expect(check.ok ? '' : check.error.message).toContain(field);
  });
});
