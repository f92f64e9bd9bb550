/** The types of the value form. Checked by `tsc`: each line compiles, except those that say `@ts-expect-error`. */
import { expectTypeOf } from 'vitest';
import {
  type Call,
  type Choice,
  choose,
  Dag,
  dag,
  type Expand,
  fromSource,
  type Handoff,
  type HandoffOptions,
  optional,
  type Resolved,
  type ResultReference,
  resultOf,
  type Settled,
  tasks,
  type ValueDag,
} from '../../lib/index.ts';
import { expand } from '../../lib/task.ts';
import { simulate } from '../../lib/simulate.ts';
import type * as generic from './tasks.ts';
import type { Row } from './tasks.ts';

declare const handoff: Handoff;
const t = tasks<typeof import('./tasks.ts')>(new URL('./tasks.ts', import.meta.url));
const raw = t.load('a.csv');

// What a call gives: promises are unwrapped.
expectTypeOf(raw).toEqualTypeOf<Call<Row[]>>();
expectTypeOf(t.total(raw)).toEqualTypeOf<Call<number>>();

// A call where a value may stand, a value where a call may, optional parameters left out.
t.clean(raw);
t.clean(raw, 3);
t.clean([{ id: 1, amount: 2 }]);
t.report('title', t.total(raw), raw);
t.report('title', 7, t.clean(raw));

// A list of calls, of values, of both; or one call that gives a list.
t.sum([t.total(raw), 4, t.total([])]);
t.sum(fromSource(() => [1, 2])());
t.pair([t.total(raw), 'x']);

// Covariance: a narrower result feeds a wider parameter.
fromSource((x: number | string) => String(x))(t.total(raw));
const wide: Call<number | string> = t.total(raw);
void wide;

// @ts-expect-error a number does not feed a string
t.load(t.total(raw));
// @ts-expect-error rows are not numbers
t.sum([raw]);
// @ts-expect-error rows are not a list of numbers
t.sum(raw);
// @ts-expect-error the producer may give a string, the consumer takes numbers only
fromSource((x: number) => x)(fromSource((): number | string => 1)());
// @ts-expect-error the second of the pair is a text
t.pair([1, t.total(raw)]);
// @ts-expect-error a required argument is missing
t.report('x', 1);
// @ts-expect-error too many arguments
t.total(raw, 1);
// @ts-expect-error there is no such function
t.cleen;
// @ts-expect-error a constant is not a function
t.version;
// @ts-expect-error its result is a function, which cannot leave the thread
t.makeAdder(1);
// @ts-expect-error a function is hidden in its result
t.hidesFunction();
// @ts-expect-error promises are hidden in its result
t.promises();

// Branches: a choice stands where a call may, and has the type of any of its calls.
const many = t.total(raw).when(t.sum([1]));
const few = t.load('b.csv').when(many, { not: true });
expectTypeOf(many).toEqualTypeOf<Call<number>>();
expectTypeOf(choose(many, few)).toEqualTypeOf<Choice<number | Row[]>>();
t.report('x', choose(many, t.total(few)), raw);
t.sum([choose(many), 3]);
fromSource((x: number | undefined) => x ?? 0)(optional(many));
// @ts-expect-error rows are no number
t.report('x', choose(many, few), raw);
// @ts-expect-error the function may have been skipped
t.report('x', optional(many), raw);
// @ts-expect-error a condition is a call
t.total(raw).when(true);
expectTypeOf(dag('x', choose(many, few))).toEqualTypeOf<ValueDag<Choice<number | Row[]>>>();
expectTypeOf<Resolved<{ a: Choice<number>; b: Call<string> }>>().toEqualTypeOf<{ a: number; b: string }>();
// @ts-expect-error a choice of nothing
choose();

// Results of other runs: typed from a call, or as the caller says.
expectTypeOf(resultOf('run', raw)).toEqualTypeOf<ResultReference<Row[]>>();
expectTypeOf(resultOf<Row[]>('run', 'raw')).toEqualTypeOf<ResultReference<Row[]>>();
t.total(resultOf('run', raw));
t.total(resultOf('run', 'raw'));
t.sum([resultOf('run', many), 3]);
t.total.map(resultOf<Row[][]>('run', 'lists'));
new Dag().add({ id: 'x', code: t.total, args: [resultOf('run', raw), { resultOf: { runId: 'run', id: 'raw' } }] });
// @ts-expect-error rows are no number
t.sum([resultOf('run', raw)]);
// @ts-expect-error the elements are rows, not lists of rows
t.total.map(resultOf('run', raw));
// @ts-expect-error it is no output
dag('x', resultOf('run', raw));
// @ts-expect-error the id is missing
new Dag().add({ id: 'x', code: t.total, args: [{ resultOf: { runId: 'run' } }] });

// Maps: the elements of the list fit the first parameter, and the result is a list.
const parts = t.total.map([raw, raw]);
expectTypeOf(parts).toEqualTypeOf<Call<number[]>>();
t.sum(parts);
fromSource((x: number) => x).map(fromSource(() => new Float64Array(1))());
t.report.map(['a', 'b'], t.total(raw), raw);
expectTypeOf(t.total.map([raw]).with({ map: { settle: true } })).toEqualTypeOf<Call<Settled<number>[]>>();
expectTypeOf(t.total.map([raw]).with({ map: { concurrency: 2 } })).toEqualTypeOf<Call<number[]>>();
// @ts-expect-error the elements are numbers, and the function takes rows
t.total.map(parts);
// @ts-expect-error a number is no list
t.load.map(t.total(raw));
// @ts-expect-error the other arguments are missing
t.report.map(['a']);
// @ts-expect-error a map needs a list
t.load.map();

// A function that answers with a graph gives what the graph gives.
const total = fromSource((): number | Expand<number> => 1)();
expectTypeOf(total).toEqualTypeOf<Call<number>>();
t.report('title', total, raw);
expectTypeOf(fromSource((_: number): Expand<string> => expand(t.load('a') as never)).map([1])).toEqualTypeOf<
  Call<string[]>
>();
expectTypeOf(expand(t.total(raw))).toEqualTypeOf<Expand<number>>();
expectTypeOf(expand({ rows: raw, total })).toEqualTypeOf<Expand<{ rows: Row[]; total: number }>>();
expectTypeOf(expand(dag('d', { total }))).toEqualTypeOf<Expand<{ total: number }>>();
expectTypeOf(expand(new Dag(), ['a', 'b'])).toEqualTypeOf<Expand<Record<'a' | 'b', any>>>();
const wanted: () => Expand<string> = () =>
  // @ts-expect-error the graph gives a number, and the function is to give a text
  expand(t.total(raw));
void wanted;
// @ts-expect-error a Dag does not say which results are wanted
expand(new Dag());
// @ts-expect-error a value is no graph
expand(1);

// Containers and dates may leave.
fromSource(() => ({ map: new Map([['a', new Float64Array(2)]]), when: new Date(), set: new Set([1n]) }))();

// Options.
raw.with({ id: 'raw', cost: { cpu: 1 }, maxRetries: 0, node: 'a', priority: 1, timeout: 100, retryIf: t.total });
raw.with({ node: { collocatedWith: t.total(raw) } }).after(t.bytes(1));
// @ts-expect-error no such option
raw.with({ prioritiy: 1 });
// @ts-expect-error a cost is made of numbers
raw.with({ cost: { cpu: 'two' } });
// @ts-expect-error after() takes calls
raw.after(1);

// Outputs: their shape and types come back from run().
expectTypeOf(handoff.run(dag('record', { total: t.total(raw), rows: raw }))).toEqualTypeOf<
  Promise<{ total: number; rows: Row[] }>
>();
expectTypeOf(handoff.run(dag('list', [t.total(raw), raw]))).toEqualTypeOf<Promise<[number, Row[]]>>();
expectTypeOf(handoff.run(dag('one', raw))).toEqualTypeOf<Promise<Row[]>>();
// @ts-expect-error a Dag has no typed outputs
void handoff.run(new Dag());
// @ts-expect-error a value is no output
dag('bad', { x: 1 });

// A DAG of calls is a Dag.
const asDag: Dag = dag('d', raw);
void handoff.execute(asDag);

// The struct form takes the same references.
new Dag().add({ id: 'a', code: t.load, extraArgs: ['x'] }).add({ id: 'b', code: fromSource(() => 1) });
new Dag().add({ id: 'c', code: { module: 'file:///x.js', export: 'x' } }).add({ id: 'in', code: null, type: 'input' });
// @ts-expect-error a closure is no reference
new Dag().add({ id: 'd', code: () => 1 });
// @ts-expect-error code is required
new Dag().add({ id: 'e' });

// Overloads are kept, each with its own result.
expectTypeOf(t.parse('7')).toEqualTypeOf<Call<number>>();
expectTypeOf(t.parse(t.bytes(3), 1)).toEqualTypeOf<Call<string>>();
// @ts-expect-error no overload takes a text and a number
t.parse('7', 1);

// A generic function is unknown, unless it is said which is meant.
expectTypeOf(t.first([1])).toEqualTypeOf<Call<unknown>>();
const named = tasks<{ first: typeof generic.first<number> }>(new URL('./tasks.ts', import.meta.url));
expectTypeOf(named.first([1])).toEqualTypeOf<Call<number>>();
expectTypeOf(t.first([1]) as Call<number>).toEqualTypeOf<Call<number>>();

// Of a module without types everything goes.
expectTypeOf(tasks<any>('some-package')).toBeAny();

// All options accept undefined.
const nothing = undefined;
raw.with({
  id: nothing,
  cost: nothing,
  maxRetries: nothing,
  retryDelay: { initial: 1, factor: nothing, max: nothing, jitter: nothing },
  timeout: nothing,
  node: nothing,
});
new Dag().add({
  id: 'u',
  code: t.load,
  args: [{ id: 'x', serialize: nothing }],
  extraArgs: nothing,
  type: nothing,
  node: nothing,
  cost: nothing,
  layout: nothing,
  priority: nothing,
});
void handoff.execute(asDag, {
  signal: nothing,
  timeout: nothing,
  collect: nothing,
  onProgress: nothing,
  speculate: { factor: nothing },
  failurePolicy: nothing,
  allocationStrategy: nothing,
});
void handoff.stop({ drain: nothing });
void handoff.getResult('a', 'b', { timeout: nothing });
void handoff.plan(asDag, { budget: nothing });
const start = {
  nodes: [{ name: 'a', capabilities: {}, threads: nothing, speed: nothing, price: nothing }],
  memoryBudget: nothing,
  transport: { type: 'tcp', port: nothing, secret: nothing },
  dashboard: { port: nothing },
} satisfies HandoffOptions;
void start;
simulate(asDag, {
  nodes: [{ name: 'a', capabilities: {}, speed: nothing }],
  latency: nothing,
  faults: { loss: nothing },
});

// Recursive types end.
type Json = string | number | boolean | null | Json[] | { [key: string]: Json };
fromSource((x: Json) => x)(fromSource((): Json => 1)());
fromSource((x: any) => x as unknown)(raw);
