/** Learned costs as plain data, for files and other storage. */
import { isAbsolute, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { CodeWire } from '../../workers/node/wire.ts';
import { createMoments, type Moments } from '../../scheduling/scheduler/dispatch/estimate.ts';
import { CostModel } from '../../scheduling/costs/cost-model.ts';
import { isAmount, isRecord } from '../../core/values.ts';

/** Mean, variance of single functions, and number of samples. */
export interface LearnedAmount {
  readonly mean: number;
  readonly variance: number;
  readonly count: number;
}

/** A missing field means that nothing is known. */
export interface LearnedFunction {
  /** In ms on a node of speed 1. A count of 0 means a share of functions that were measured together. */
  readonly ms?: LearnedAmount;
  /** Bytes of results in shared memory or files; other results count as 0. */
  readonly bytes?: LearnedAmount;
}

export interface LearnedCode extends LearnedFunction {
  /** Functions of unusual duration or size, by id. */
  readonly functions?: Readonly<Record<string, LearnedFunction>>;
}

/** What `handoff.costModel()` gives, and what a file of `costModel: { file }` holds. */
export interface CostModelJson {
  readonly format: 'handoff-cost-model';
  readonly version: 1;
  /** By code: `./path/of/module.ts#export`, `package#export`, or `source:` and a hash. */
  readonly codes: Readonly<Record<string, LearnedCode>>;
}

const format = 'handoff-cost-model';
const version = 1;

// Limit of entries; the least recently learned are left out.
const maxCodes = 10_000;

/**
 * The name of some code, relative to a folder. Source text appears only as a hash, because it is long and may be
 * confidential.
 */
export function nameOf(code: CodeWire, folder: string): string {
  if ('source' in code) return `source:${hash(code.source)}`;
  if (!code.module.startsWith('file:') && !isAbsolute(code.module))
    return `${/^\w+:/.test(code.module) ? `url:${hash(code.module)}` : code.module}#${code.export}`;
  const path = relative(folder, fileURLToPath(code.url)).split(sep).join('/');
  return `${path.startsWith('../') || isAbsolute(path) ? path : `./${path}`}#${code.export}`;
}

function hash(text: string): string {
  // Loaded on demand: it would dominate the import time of the library.
  return process.getBuiltinModule('node:crypto').createHash('sha256').update(text).digest('hex').slice(0, 32);
}

export function toJson({ codes }: CostModel): CostModelJson {
  const known = [...codes]
    .filter(([, { estimate, functions }]) => estimate.count > 0 || functions.size > 0)
    .slice(-maxCodes);
  return {
    format,
    version,
    // Object.fromEntries defines own properties, even for names such as `__proto__`.
    codes: Object.fromEntries(
      known.map(([name, { estimate, functions }]) => {
        const byUse = [...functions].sort(([, a], [, b]) => a.used - b.used);
        const own =
          functions.size === 0
            ? {}
            : { functions: Object.fromEntries(byUse.map(([id, costs]) => [id, functionJson(costs.ms, costs.bytes)])) };
        return [name, { ...functionJson(estimate, estimate.bytes), ...own }];
      }),
    ),
  };
}

function functionJson(ms: Moments, bytes: Moments): LearnedFunction {
  return {
    ...((ms.count > 0 || ms.mean > 0) && { ms: amountJson(ms) }),
    ...(bytes.count > 0 && bytes.mean > 0 && { bytes: amountJson(bytes) }),
  };
}

function amountJson({ mean, variance, count }: Moments): LearnedAmount {
  return { mean: rounded(mean), variance: rounded(variance), count };
}

/** Six digits: more would double the file size without use. */
function rounded(value: number): number {
  return Number(value.toPrecision(6));
}

/** Adds saved costs to the learned ones. */
export function addJson(learned: CostModel, json: CostModelJson): void {
  for (const [name, { ms, bytes, functions }] of Object.entries(json.codes)) {
    const costs = learned.named(name);
    Object.assign(costs.estimate, momentsOf(ms));
    Object.assign(costs.estimate.bytes, momentsOf(bytes, ms?.count));
    for (const [id, own] of Object.entries(functions ?? {}))
      learned.add(costs, id, momentsOf(own.ms), momentsOf(own.bytes, own.ms?.count));
  }
}

/** @param count the number of results whose size is known to be 0 */
function momentsOf(amount: LearnedAmount | undefined, count = 0): Moments {
  if (amount === undefined) return { ...createMoments(), count, groups: count };
  return { mean: amount.mean, variance: amount.variance, count: amount.count, groups: amount.count };
}

/** Describes what is wrong with learned costs; undefined when they are valid. */
export function faultOf(json: unknown): string | undefined {
  if (!isRecord(json) || json['format'] !== format) return `it is no ${format}`;
  if (json['version'] !== version)
    return `it is of version ${JSON.stringify(json['version'])}, and this is version ${version}`;
  if (!isRecord(json['codes'])) return 'codes is not an object';
  for (const [name, code] of Object.entries(json['codes'])) {
    const fault = functionFault(code) ?? functionsFault((code as LearnedCode).functions);
    if (fault !== undefined) return `of ${JSON.stringify(name)}, ${fault}`;
  }
  return undefined;
}

function functionsFault(functions: unknown): string | undefined {
  if (functions === undefined) return undefined;
  if (!isRecord(functions)) return 'functions is not an object';
  for (const [id, own] of Object.entries(functions)) {
    const fault = functionFault(own);
    if (fault !== undefined) return `function ${JSON.stringify(id)}: ${fault}`;
  }
  return undefined;
}

function functionFault(own: unknown): string | undefined {
  if (!isRecord(own)) return 'there is no object';
  for (const what of ['ms', 'bytes'] as const) {
    const amount = own[what];
    if (amount === undefined) continue;
    if (!isRecord(amount)) return `${what} is not an object`;
    for (const field of ['mean', 'variance', 'count'] as const)
      if (!isAmount(amount[field])) return `${what}.${field} is not a finite number of at least 0`;
    if (!Number.isInteger(amount['count'])) return `${what}.count is not a whole number`;
  }
  return undefined;
}
