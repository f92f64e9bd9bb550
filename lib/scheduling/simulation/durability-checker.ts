/**
 * Checks what durable runs promise, over all orchestrators of a run. It keeps its own account of what happens, and reads
 * the log only to compare.
 *
 * 1. A function whose result is recorded does not run again, unless its bytes are gone.
 * 2. What was in flight when an orchestrator died runs again, unless it is not idempotent.
 * 3. A run ends for its caller only when the end is recorded, and what a function depends on is recorded before it.
 * 4. Only the last owner of a run writes.
 */
import type { CompiledDag } from '../../dag/compile/compiled-dag.ts';
import { decodeChunk } from '../../journal/codec.ts';
import type { Ended, Finished, RunRecord } from '../../journal/record.ts';
import { isOnce } from '../scheduler/failure/once.ts';
import { Violation } from './invariant-checker.ts';

interface Account {
  readonly plan: CompiledDag;
  owner: string | undefined;
  /** By function: how often an orchestrator took in a result of it. */
  readonly results: Int32Array;
  /** By function: how often a result was recorded. */
  readonly recorded: Int32Array;
  /** By function: 1 if the recorded result can be read. */
  readonly isKept: Uint8Array;
  /** By function that is not idempotent: how often it started, and how often its attempts are known to have failed. */
  readonly begun: Int32Array;
  readonly failed: Int32Array;
  /** By function: 1 if the last orchestrator has skipped it. */
  readonly isSkipped: Uint8Array;
  ended: Ended['outcome'] | undefined;
}

export class DurabilityChecker {
  readonly #accounts = new Map<string, Account>();

  submitted(runId: string, plan: CompiledDag): void {
    const { size } = plan;
    this.#accounts.set(runId, {
      plan,
      owner: undefined,
      results: new Int32Array(size),
      recorded: new Int32Array(size),
      isKept: new Uint8Array(size),
      begun: new Int32Array(size),
      failed: new Int32Array(size),
      isSkipped: new Uint8Array(size),
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
    account.isSkipped.fill(0);
  }

  /**
   * A run begins with what was recorded.
   *
   * @param kept which results the run keeps to its end: 1 for each; null for all
   */
  restored(runId: string, done: ReadonlySet<number>, needed: ReadonlySet<number>, kept: Uint8Array | null): void {
    const { plan, recorded, isKept } = this.#accounts.get(runId)!;
    const { outOffset, outs } = plan;
    for (let i = 0; i < plan.size; i++) {
      if (done.has(i)) check(recorded[i]! > 0, () => `${label(plan, i)} is restored, and was not recorded`);
      if (recorded[i] === 0) continue;
      const readers = [...outs.subarray(outOffset[i], outOffset[i + 1])];
      const isRead = kept === null || kept[i] === 1 || readers.some((next) => !done.has(next));
      check(
        done.has(i) || (isRead && isKept[i] === 0),
        () => `the result of ${label(plan, i)} is recorded, and it runs again`,
      );
      if (done.has(i) && isRead)
        check(needed.has(i), () => `the result of ${label(plan, i)} is needed, and was not read`);
    }
  }

  /** A function starts at a node. Any orchestrator may have sent it there. */
  began(runId: string, i: number): void {
    const { plan, begun, failed } = this.#accounts.get(runId)!;
    if (!isOnce(plan, i)) return;
    check(
      begun[i]! <= failed[i]!,
      () =>
        `${label(plan, i)} is not idempotent, has started ${begun[i]} times and failed ${failed[i]} times, and starts again`,
    );
    begun[i]!++;
  }

  /** An orchestrator learns that an attempt has failed. */
  failed(runId: string, i: number): void {
    this.#accounts.get(runId)!.failed[i]!++;
  }

  /** An orchestrator takes in the result of a function. */
  took(runId: string, i: number): void {
    this.#accounts.get(runId)!.results[i]!++;
  }

  skipped(runId: string, i: number): void {
    this.#accounts.get(runId)!.isSkipped[i] = 1;
  }

  /** A chunk is in the log. */
  appended(runId: string, owner: string, chunk: Uint8Array): void {
    const account = this.#accounts.get(runId)!;
    check(account.owner === owner, () => `${owner} writes run ${runId}, which is that of ${account.owner}`);
    check(account.ended === undefined, () => `run ${runId} has ended, and ${owner} goes on writing it`);
    for (const record of decodeChunk(chunk, runId)) this.#appendedOne(account, record);
  }

  #appendedOne(account: Account, record: RunRecord): void {
    if (record.type === 'finished') return this.#finished(account, record);
    if (record.type !== 'ended') return;
    const { plan, recorded, isSkipped } = account;
    account.ended = record.outcome;
    if (record.outcome !== 'finished') return;
    for (let i = 0; i < plan.size; i++)
      check(
        recorded[i]! > 0 || isSkipped[i] === 1,
        () => `run ${plan.dagId} is recorded as finished, and ${label(plan, i)} is not`,
      );
  }

  #finished({ plan, recorded, results, isKept }: Account, { functions, stored }: Finished): void {
    for (const i of functions) {
      recorded[i]!++;
      isKept[i] = 1;
      check(
        recorded[i]! <= results[i]!,
        () => `${label(plan, i)} is recorded ${recorded[i]} times, and gave ${results[i]} results`,
      );
      if (plan.branches !== null) continue; // inputs may have been skipped
      for (const dep of plan.deps.subarray(plan.depOffset[i], plan.depOffset[i + 1]))
        check(
          recorded[dep]! > 0,
          () => `${label(plan, i)} is recorded, and ${label(plan, dep)}, which it takes, is not`,
        );
    }
    for (const [at] of stored) isKept[functions[at]!] = 0;
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
}

function label({ dagId, entries }: CompiledDag, i: number): string {
  return `${dagId}/${entries[i]!.id}`;
}

function check(holds: boolean, message: () => string): void {
  if (!holds) throw new Violation(message());
}
