/** Checks each field of a function that is added to a DAG, and converts the function to an `Entry`. */
import { idExpected, isAmount, isAmounts, isId, isRecord } from '../../core/values.ts';
import { HandoffError } from '../../core/errors.ts';
import { basicFields, concurrentTraits, defaultTraits, type Entry, none, type Traits } from '../compile/entry.ts';
import { show } from '../../core/show.ts';
import { findObstacle, type Obstacle } from '../../core/serializable.ts';
import { literalOf } from '../compile/literal.ts';
import { isConcurrentTask, schemeProblem, toReference } from '../code.ts';
import { didYouMean, nearest } from '../../core/suggest.ts';
import type { Argument, Condition, FunctionArgument, FunctionSpec, Part, Transform, Uses } from '../types.ts';

export const cacheExpected = 'true, false or { version?, ttl? }: a text or number, and ms above 0';

type Rule = readonly [expected: string, holds: (value: unknown) => boolean];

const amount: Rule = ['a finite number of at least 0', (value) => isAmount(value)];
const whole: Rule = ['a whole number of at least 0', (value) => isAmount(value) && Number.isInteger(value)];
const positive: Rule = ['a finite number above 0', (value) => isAmount(value) && value > 0];
const atLeastOne: Rule = [
  'a whole number of at least 1',
  (value) => isAmount(value) && Number.isInteger(value) && value >= 1,
];
const code: Rule = ['a reference to an exported function: tasks(new URL(…)).name or fromSource(fn)', isCode];

// No real call has this many. The limit bounds the check of a list that was made by mistake, such as a sparse one.
const maxArguments = 10_000_000;

/** The values that each field accepts. `undefined` always stands for the default. */
const rules: Readonly<Record<keyof FunctionSpec, Rule>> = {
  id: [idExpected, isId],
  args: [
    `a list of at most ${maxArguments} function ids, Arguments, { anyOf: ids }, { optional: id } and { resultOf: { runId, id } }`,
    (value) => Array.isArray(value) && value.length <= maxArguments && value.every(isArgument),
  ],
  code: [`${code[0]} (null only for type 'input')`, (value) => value === null || isCode(value)],
  extraArgs: [
    `a list of at most ${maxArguments} values`,
    (value) => Array.isArray(value) && value.length <= maxArguments,
  ],
  argumentInclusion: ["'variadic' or 'list'", (value) => value === 'variadic' || value === 'list'],
  type: ["'regular', 'inline' or 'input'", (value) => value === 'regular' || value === 'inline' || value === 'input'],
  node: ['a node name or { collocatedWith: functionId }', isPlacement],
  cost: ['amounts by resource, each a finite number of at least 0', isAmounts],
  uses: ['names of limits, or amounts by name, each a finite number above 0', isUses],
  maxRetries: whole,
  retryDelay: ['ms, or { initial, factor?, max?, jitter? }', isRetryDelay],
  retryIf: code,
  timeout: positive,
  idempotent: ['true or false', (value) => typeof value === 'boolean'],
  concurrent: ['true or false', (value) => typeof value === 'boolean'],
  when: ['the id of a function, or { id, not? }', isCondition],
  map: ['true, or { concurrency?, settle?, expect? }', isMap],
  cache: [cacheExpected, isCacheSetting],
  priority: ['a finite number', (value) => typeof value === 'number' && Number.isFinite(value)],
  duration: amount,
  outputBytes: amount,
  layout: ['a list of parts', (value) => Array.isArray(value) && value.every(isPart)],
  init: [`${code[0]}, or { code, extraArgs }`, (value) => isCode(value) || isTransform(value)],
  parallelism: atLeastOne,
  batchSize: atLeastOne,
  batchTimeout: amount,
};

/**
 * Checks a function and converts it to its record.
 *
 * @throws `INVALID_FUNCTION` naming the function, the field, the expected and the actual value; `NOT_SERIALIZABLE` when
 *   a value among its arguments cannot travel
 */
export function toEntry(spec: FunctionSpec): Entry {
  if (typeof spec !== 'object' || spec === null)
    throw invalid('?', `A function is an object with id and code, got ${show(spec)}.`);
  let isBasic = true;
  for (const key in spec) {
    if (spec[key as keyof FunctionSpec] === undefined) continue;
    checkField(spec, key as keyof FunctionSpec);
    isBasic &&= basicFields.has(key);
  }
  if (spec.id === undefined) throw invalid('?', `A function needs an id: ${idExpected}, unique in the DAG.`);
  if (spec.code === undefined || (spec.code === null && spec.type !== 'input')) {
    throw invalid(spec.id, `Function ${show(spec.id)} needs code: ${code[0]}.`);
  }
  const extraArgs = spec.extraArgs ?? none;
  checkLiterals(spec.id, 'extraArgs', extraArgs);
  let traits = isBasic ? basicTraits(spec) : checkedTraits(spec);
  const args = spec.args ?? none;
  if (traits.when !== undefined || args.some((arg) => typeof arg !== 'string'))
    traits = { ...traits, written: args.map(plain) };
  return {
    id: spec.id,
    args: args.length === 0 && traits.when === undefined ? none : dependenciesOf(args, traits.when),
    code: spec.code === null ? null : toReference(spec.code)!,
    extraArgs: ownLiterals(extraArgs),
    traits,
  };
}

function refuseCachedEffect({ id }: FunctionSpec, { idempotent, cache = false }: Traits): void {
  if (idempotent || cache === false) return;
  const text = `Function ${show(id)} has both cache and idempotent: false. A result from the cache leaves out the effect: drop one of them.`;
  throw invalid(id, text);
}

/** The traits of a function that has none of its own: those of its module. */
function basicTraits(spec: FunctionSpec): Traits {
  return isConcurrentTask(spec.code) ? concurrentTraits : defaultTraits;
}

function checkedTraits(spec: FunctionSpec): Traits {
  const { id, layout, init } = spec;
  if (layout !== undefined) checkLayout(id, layout, 'argument');
  if (isTransform(init)) checkLiterals(id, 'init: extraArgs', (init as Transform).extraArgs ?? none);
  const traits = toTraits(spec);
  refuseCachedEffect(spec, traits);
  return traits;
}

/** The ids of the functions that a function with these arguments and this condition waits for, in order. */
export function dependenciesOf(args: readonly FunctionArgument[], when: Condition | undefined): string[] {
  const ids = args.flatMap((arg) => {
    if (typeof arg === 'string') return arg;
    if ('resultOf' in arg) return [];
    return 'anyOf' in arg ? arg.anyOf : 'optional' in arg ? arg.optional : arg.id;
  });
  if (when !== undefined) ids.push(when.id);
  return ids;
}

/** @throws `NOT_SERIALIZABLE` naming the function and the path of the value that cannot travel */
export function checkLiterals(functionId: string, field: string, values: readonly unknown[]): void {
  for (let i = 0; i < values.length; i++) {
    const obstacle = findObstacle(values[i]);
    if (obstacle !== undefined) throw notSerializable(functionId, `${field}[${i}]${obstacle.path}`, obstacle);
  }
}

function checkLayout(functionId: string, parts: readonly Part[], path: string): void {
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i]!;
    if ('list' in part) checkLayout(functionId, part.list, `${path}[${i}]`);
    if (!('value' in part)) continue;
    const obstacle = findObstacle(part.value);
    if (obstacle !== undefined) throw notSerializable(functionId, `${path}[${i}]${obstacle.path}`, obstacle);
  }
}

function notSerializable(functionId: string, path: string, { what }: Obstacle): HandoffError {
  const text = `Function ${show(functionId)}: ${path} is ${what}, which cannot leave its thread. Pass plain data.`;
  return new HandoffError('NOT_SERIALIZABLE', text, { functionId, path });
}

function checkField(spec: FunctionSpec, key: keyof FunctionSpec): void {
  const rule = rules[key];
  const id = typeof spec.id === 'string' ? spec.id : '?';
  if (rule === undefined) {
    const hint = didYouMean(nearest(key, Object.keys(rules)));
    throw invalid(id, `Function ${show(id)}: there is no field ${show(key)}.${hint}`);
  }
  if (!rule[1](spec[key]))
    throw invalid(id, `Function ${show(id)}: ${key} must be ${rule[0]}, got ${show(spec[key])}.${codeHint(spec[key])}`);
}

function isCode(value: unknown): boolean {
  return toReference(value) !== undefined && problemOf(value) === undefined;
}

/** Why the module of a reference cannot be imported; undefined if it can. */
function problemOf(value: unknown): string | undefined {
  const reference = toReference(value);
  return reference === undefined || 'source' in reference ? undefined : schemeProblem(reference.module);
}

function codeHint(value: unknown): string {
  const problem = problemOf(value);
  if (problem !== undefined) return ` ${problem}`;
  return typeof value === 'function' && toReference(value) === undefined
    ? ' A closure cannot cross a thread: export the function from a module and refer to it with tasks(), or wrap one that uses nothing from around it in fromSource().'
    : '';
}

function toTraits(spec: FunctionSpec): Traits {
  const init = spec.init;
  const bare = init === undefined ? undefined : toReference(init);
  return {
    type: spec.type ?? 'regular',
    list: spec.argumentInclusion === 'list',
    node: typeof spec.node === 'object' ? { ...spec.node } : spec.node,
    cost: spec.cost === undefined || Object.keys(spec.cost).length === 0 ? undefined : { ...spec.cost },
    uses: usesOf(spec.uses),
    maxRetries: spec.maxRetries,
    retryDelay: typeof spec.retryDelay === 'object' ? { ...spec.retryDelay } : (spec.retryDelay ?? 0),
    retryIf: spec.retryIf === undefined ? undefined : toReference(spec.retryIf),
    timeout: spec.timeout,
    idempotent: spec.idempotent ?? true,
    cache: typeof spec.cache === 'object' ? { ...spec.cache } : spec.cache,
    concurrent: spec.concurrent ?? isConcurrentTask(spec.code),
    priority: spec.priority ?? 0,
    duration: spec.duration,
    outputBytes: spec.outputBytes,
    map: spec.map === true ? {} : spec.map === false ? undefined : spec.map && { ...spec.map },
    when: typeof spec.when === 'string' ? { id: spec.when } : spec.when && { ...spec.when },
    layout: spec.layout?.map(ownPart),
    init: bare !== undefined ? { code: bare, extraArgs: none } : toInit(init as Transform | undefined),
    parallelism: spec.parallelism,
    batchSize: spec.batchSize,
    batchTimeout: spec.batchTimeout,
    written: undefined,
    transforms: undefined,
  };
}

/** An argument with its code as plain data. */
function plain(arg: FunctionArgument): FunctionArgument {
  if (typeof arg === 'string') return arg;
  if ('anyOf' in arg) return { anyOf: [...arg.anyOf] };
  if ('optional' in arg) return { optional: arg.optional };
  if ('resultOf' in arg) return { resultOf: { runId: arg.resultOf.runId, id: arg.resultOf.id } };
  const side = ({ code: like, extraArgs = none }: Transform): Transform => ({
    code: toReference(like)!,
    ...(extraArgs.length > 0 && { extraArgs: ownLiterals(extraArgs) }),
  });
  return {
    id: arg.id,
    ...(arg.serialize && { serialize: side(arg.serialize) }),
    ...(arg.deserialize && { deserialize: side(arg.deserialize) }),
  };
}

function toInit(init: Transform | undefined): Traits['init'] {
  return init === undefined
    ? undefined
    : { code: toReference(init.code)!, extraArgs: ownLiterals(init.extraArgs ?? none) };
}

function ownLiterals(values: readonly unknown[]): readonly unknown[] {
  return values.length === 0 ? none : values.map(literalOf);
}

function ownPart(part: Part): Part {
  if ('value' in part) return { value: literalOf(part.value) };
  return 'list' in part ? { list: part.list.map(ownPart) } : { ...part };
}

/** Whether a value is a setting of `cache`, of a function or a run. */
export function isCacheSetting(value: unknown): boolean {
  if (typeof value === 'boolean') return true;
  if (!isRecord(value)) return false;
  const { version = '', ttl = 1, ...rest } = value;
  const isVersion = typeof version === 'string' || (typeof version === 'number' && Number.isFinite(version));
  return isVersion && typeof ttl === 'number' && ttl > 0 && Object.keys(rest).length === 0;
}

function isUses(value: unknown): boolean {
  if (Array.isArray(value)) return value.every((name) => typeof name === 'string' && name !== '');
  return isRecord(value) && Object.values(value).every((each) => isAmount(each) && each > 0);
}

/** The amount by name. A name that is listed twice counts once. */
function usesOf(given: FunctionSpec['uses']): Uses | undefined {
  if (given === undefined) return undefined;
  const uses = Array.isArray(given) ? Object.fromEntries(given.map((name: string) => [name, 1])) : { ...given };
  return Object.keys(uses).length === 0 ? undefined : (uses as Uses);
}

function isPlacement(value: unknown): boolean {
  if (typeof value === 'string') return value !== '';
  return isRecord(value) && typeof value['collocatedWith'] === 'string' && Object.keys(value).length === 1;
}

function isRetryDelay(value: unknown): boolean {
  if (isAmount(value)) return true;
  if (!isRecord(value) || !isAmount(value['initial'])) return false;
  const { initial: _, factor = 2, max = 0, jitter = 0, ...rest } = value;
  return isAmount(factor) && isAmount(max) && isAmount(jitter) && jitter <= 1 && Object.keys(rest).length === 0;
}

function isTransform(value: unknown): boolean {
  if (!isRecord(value) || !isCode(value['code'])) return false;
  const { code: _, extraArgs = [], ...rest } = value;
  return Array.isArray(extraArgs) && Object.keys(rest).length === 0;
}

function isArgument(value: unknown): boolean {
  if (typeof value === 'string') return value !== '';
  if (!isRecord(value)) return false;
  if ('anyOf' in value) return isOnly(value, 'anyOf') && isListOfIds(value['anyOf']);
  if ('optional' in value) return isOnly(value, 'optional') && isText(value['optional']);
  if ('resultOf' in value) return isOnly(value, 'resultOf') && isResultOf(value['resultOf']);
  const { id, serialize, deserialize, ...rest } = value as unknown as Argument;
  return (
    typeof id === 'string' &&
    id !== '' &&
    Object.keys(rest).length === 0 &&
    (serialize === undefined || isTransform(serialize)) &&
    (deserialize === undefined || isTransform(deserialize))
  );
}

function isResultOf(value: unknown): boolean {
  if (!isRecord(value)) return false;
  const { runId, id, ...rest } = value;
  return isText(runId) && isText(id) && Object.keys(rest).length === 0;
}

function isCondition(value: unknown): boolean {
  if (typeof value === 'string') return value !== '';
  if (!isRecord(value)) return false;
  const { id, not = false, ...rest } = value;
  return isId(id) && typeof not === 'boolean' && Object.keys(rest).length === 0;
}

function isMap(value: unknown): boolean {
  if (typeof value === 'boolean') return true;
  if (!isRecord(value)) return false;
  const { concurrency = 1, settle = false, expect = 0, ...rest } = value;
  const isLimit = concurrency === Infinity || (Number.isInteger(concurrency) && (concurrency as number) >= 1);
  return (
    isLimit &&
    typeof settle === 'boolean' &&
    Number.isInteger(expect) &&
    (expect as number) >= 0 &&
    Object.keys(rest).length === 0
  );
}

/** Ids of what a run grows by may be longer than those that are given. */
function isText(value: unknown): boolean {
  return typeof value === 'string' && value !== '';
}

function isOnly(value: Record<string, unknown>, key: string): boolean {
  return Object.keys(value).length === 1 && key in value;
}

function isListOfIds(value: unknown): boolean {
  return Array.isArray(value) && value.length > 0 && value.every(isId) && new Set(value).size === value.length;
}

function isPart(value: unknown): value is Part {
  if (!isRecord(value) || Object.keys(value).length !== 1) return false;
  if ('arg' in value) return isAmount(value['arg']) && Number.isInteger(value['arg']);
  if ('list' in value) return Array.isArray(value['list']) && value['list'].every(isPart);
  return 'value' in value || typeof value['nodeOf'] === 'string';
}

function invalid(functionId: string, message: string): HandoffError {
  return new HandoffError('INVALID_FUNCTION', message, { functionId });
}
