/**
 * Checks what durable runs promise, over all orchestrators of a run. It keeps its own account of what happens, and reads
 * the log only to compare. It knows functions by their ids, since their numbers change when growth is discarded.
 *
 * 1. A function whose result is recorded does not run again, unless its bytes are gone.
 * 2. What was in flight when an orchestrator died runs again, unless it is not idempotent.
 * 3. A run ends for its caller only when the end is recorded, and what a function depends on is recorded before it.
 * 4. Only the last owner of a run writes.
 * 5. What a run grows by is recorded before anything of it, and what is discarded takes everything inside with it.
 */
import type { CompiledDag } from '../../dag/compile/compiled-dag.ts';
import { decodeChunk } from '../../journal/codec.ts';
import type { Discarded, Ended, Expanded, Finished, RunRecord } from '../../journal/record.ts';
import { isOnce } from '../scheduler/failure/once.ts';
import { elementsOf, expansionOfOwner, inputsOf, spanOfOwner } from '../scheduler/growth/growth.ts';
import type { Run } from '../scheduler/state.ts';
import { Violation } from './invariant-checker.ts';

interface FunctionAccount {
  /** How often an orchestrator took in a result of it. */
  results: number;
  /** How often a result was recorded. */
  recorded: number;
  /** Whether the recorded result can be read. */
  isKept: boolean;
  /** How often it started, and how often its attempts are known to have failed, if it is not idempotent. */
  begun: number;
  failed: number;
  /** Whether the last orchestrator has skipped it. */
  isSkipped: boolean;
}

interface Account {
  readonly dagId: string;
  owner: string | undefined;
  readonly functions: Map<string, FunctionAccount>;
  /** The ids of the functions by their numbers in the log. */
  ids: string[];
  /** The ids of functions that have grown the run, by the log. */
  readonly grown: Set<string>;
  ended: Ended['outcome'] | undefined;
}

export class DurabilityChecker {
  readonly #accounts = new Map<string, Account>();

  submitted(runId: string, { dagId, entries }: CompiledDag): void {
    this.#accounts.set(runId, {
      dagId,
      owner: undefined,
      functions: new Map(),
      ids: entries.map(({ id }) => id),
      grown: new Set(),
      ended: undefined,
    });
  }

  hasEnded(runId: string): boolean {
    return this.#accounts.get(runId)?.ended !== undefined;
  }

  /** An orchestrator becomes the owner of a run. */
  claimed(runId: string, owner: string): void {
    const account = this.#accounts.get(runId)!;
    account.owner = owner;
    for (const each of account.functions.values()) each.isSkipped = false;
  }

  /**
   * A run begins with what was recorded, grown as it had grown.
   *
   * @param run its functions
   */
  restored(runId: string, run: Run, done: ReadonlySet<number>, needed: ReadonlySet<number>): void {
    const account = this.#accounts.get(runId)!;
    const { entries } = run.plan;
    const ids = entries.map(({ id }) => id);
    check(
      ids.length === account.ids.length && ids.every((id, i) => id === account.ids[i]),
      () => `run ${runId} is resumed with functions ${ids.join(', ')}, and the log has ${account.ids.join(', ')}`,
    );
    const read = readBy(run, done);
    for (const [i, id] of ids.entries()) {
      const { recorded, isKept } = functionOf(account, id);
      if (done.has(i)) check(recorded > 0, () => `${runId}/${id} is restored, and was not recorded`);
      if (recorded === 0) continue;
      check(
        done.has(i) || (read.has(i) && !isKept),
        () => `the result of ${runId}/${id} is recorded, and it runs again`,
      );
      if (done.has(i) && read.has(i))
        check(needed.has(i), () => `the result of ${runId}/${id} is needed, and was not read`);
    }
  }

  /** A function starts at a node. Any orchestrator may have sent it there. */
  began(run: Run, i: number): void {
    if (!isOnce(run.plan, i)) return;
    const each = this.#functionOf(run, i);
    check(
      each.begun <= each.failed,
      () =>
        `${label(run, i)} is not idempotent, has started ${each.begun} times and failed ${each.failed} times, and starts again`,
    );
    each.begun++;
  }

  /** An orchestrator learns that an attempt has failed. */
  failed(run: Run, i: number): void {
    this.#functionOf(run, i).failed++;
  }

  /** An orchestrator takes in the result of a function. */
  took(run: Run, i: number): void {
    this.#functionOf(run, i).results++;
  }

  skipped(run: Run, i: number): void {
    this.#functionOf(run, i).isSkipped = true;
  }

  /**
   * A chunk is in the log.
   *
   * @param run the functions of its writer
   */
  appended(runId: string, owner: string, chunk: Uint8Array, run: Run): void {
    const account = this.#accounts.get(runId)!;
    check(account.owner === owner, () => `${owner} writes run ${runId}, which is that of ${account.owner}`);
    check(account.ended === undefined, () => `run ${runId} has ended, and ${owner} goes on writing it`);
    for (const record of decodeChunk(chunk, runId)) appendedOne(account, record, run);
  }

  /** An orchestrator tells its caller that the run has ended. */
  settled(runId: string): void {
    check(
      this.#accounts.get(runId)!.ended !== undefined,
      () => `run ${runId} has ended for its caller, and not in the log`,
    );
  }

  /** Checks the state after the last event. */
  end(): void {
    for (const [runId, { ended }] of this.#accounts) check(ended !== undefined, () => `run ${runId} never ends`);
  }

  #functionOf(run: Run, i: number): FunctionAccount {
    return functionOf(this.#accounts.get(run.id)!, run.plan.entries[i]!.id);
  }
}

function functionOf({ functions }: Account, id: string): FunctionAccount {
  let known = functions.get(id);
  if (known === undefined)
    functions.set(id, (known = { results: 0, recorded: 0, isKept: false, begun: 0, failed: 0, isSkipped: false }));
  return known;
}

/** The functions whose results are read: by those that run, and by the run itself. */
function readBy(run: Run, done: ReadonlySet<number>): ReadonlySet<number> {
  const { plan, settings } = run;
  const read = new Set<number>();
  const readOne = (i: number): void => {
    if (read.has(i)) return;
    read.add(i);
    for (const part of partsOf(run, i) ?? []) readOne(part);
  };
  for (let i = 0; i < plan.size; i++) {
    if (settings.kept === null || settings.kept[i] === 1) readOne(i);
    if (!done.has(i) && partsOf(run, i) === undefined) for (const input of inputsOf(run, i)) readOne(input);
  }
  return read;
}

/** The functions whose results make up that of a map, or of a function that answered with a graph. */
function partsOf(run: Run, i: number): Iterable<number> | undefined {
  const span = spanOfOwner(run, i);
  return span === undefined ? expansionOfOwner(run, i)?.outputs : elementsOf(span);
}

function appendedOne(account: Account, record: RunRecord, run: Run): void {
  switch (record.type) {
    case 'finished':
      return finished(account, record, run);
    case 'expanded':
      return expanded(account, record, run);
    case 'discarded':
      return discarded(account, record);
    case 'ended':
      return noteEnd(account, record);
  }
}

function finished(account: Account, { functions, stored }: Finished, run: Run): void {
  const { dagId, ids } = account;
  for (const [at, i] of functions.entries()) {
    const { id } = run.plan.entries[i]!;
    check(ids[i] !== undefined, () => `${dagId}/${id} is recorded, and what the run grew by with it is not`);
    check(ids[i] === id, () => `${dagId}/${id} is recorded as function ${i}, which is ${ids[i]} in the log`);
    const each = functionOf(account, id);
    each.recorded++;
    each.isKept = !stored.some(([place]) => place === at);
    check(
      each.recorded <= each.results,
      () => `${dagId}/${id} is recorded ${each.recorded} times, and gave ${each.results} results`,
    );
    if (run.plan.branches !== null) continue; // inputs may have been skipped
    for (const dep of inputsOf(run, i))
      check(
        isRecorded(account, run, dep),
        () => `${dagId}/${id} is recorded, and ${label(run, dep)}, which it takes, is not`,
      );
  }
}

/** The result of a map, or of a function that answered with a graph, is recorded with that of its parts. */
function isRecorded(account: Account, run: Run, i: number): boolean {
  if (functionOf(account, run.plan.entries[i]!.id).recorded > 0) return true;
  const parts = partsOf(run, i);
  return parts !== undefined && [...parts].every((part) => isRecorded(account, run, part));
}

function expanded(account: Account, { function: owner, base, count }: Expanded, run: Run): void {
  const { dagId, ids, grown } = account;
  const { entries } = run.plan;
  check(
    base === ids.length && owner < base && ids[owner] === entries[owner]!.id,
    () => `run ${dagId} grows by ${label(run, owner)} from ${base} on, and the log has ${ids.length} functions`,
  );
  grown.add(ids[owner]!);
  for (let i = base; i < base + count; i++) ids.push(entries[i]!.id);
}

function discarded(account: Account, { functions }: Discarded): void {
  const owners = functions.map((i) => account.ids[i]!);
  const isInside = (id: string): boolean =>
    owners.some((owner) => id.startsWith(`${owner}/`) || id.startsWith(`${owner}[`));
  for (const id of account.ids.filter(isInside)) {
    const each = functionOf(account, id);
    // Its results are gone with it. What it has done is not.
    [each.recorded, each.results, each.isKept, each.isSkipped] = [0, 0, false, false];
    account.grown.delete(id);
  }
  for (const owner of owners) account.grown.delete(owner);
  account.ids = account.ids.filter((id) => !isInside(id));
}

function noteEnd(account: Account, { outcome }: Ended): void {
  account.ended = outcome;
  if (outcome !== 'finished') return;
  const { dagId, ids, grown } = account;
  const superseded = [...grown].filter((id) => functionOf(account, id).recorded > 0);
  const isSuperseded = (id: string): boolean =>
    superseded.some((owner) => id.startsWith(`${owner}/`) || id.startsWith(`${owner}[`));
  for (const id of ids) {
    const { recorded, isSkipped } = functionOf(account, id);
    check(
      recorded > 0 || isSkipped || grown.has(id) || isSuperseded(id),
      () => `run ${dagId} is recorded as finished, and ${id} is not`,
    );
  }
}

function label({ plan: { dagId, entries } }: Run, i: number): string {
  return `${dagId}/${entries[i]!.id}`;
}

function check(holds: boolean, message: () => string): void {
  if (!holds) throw new Violation(message());
}
