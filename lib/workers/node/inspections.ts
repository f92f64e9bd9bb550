/**
 * Looking into code: each question is answered once, for all who wait for the answer, in a thread of the pool that is
 * idle.
 *
 * ```
 *   question ─► an idle thread of the pool ─► answer
 *       │             └─ slow, and other work wants the thread: the thread is started anew, and the question goes on to …
 *       └─ all threads run functions ─────► … the one extra thread, which is ended when nothing waits for it
 * ```
 *
 * So a node never has more threads than its own and one, and an import that never ends takes no thread from others.
 */
import { HandoffError } from '../../core/errors.ts';
import { type LongTimeout, setLongTimeout } from '../../core/long-timeout.ts';
import type { WorkerThread } from './worker-thread.ts';
import type { Control } from './wire.ts';

// An import that takes longer than this, in ms, gives its thread back when other work wants it.
const slowMs = 1000;

export interface InspectionParts {
  /** The threads of the pool, by index; undefined: that one is being started. */
  readonly threads: readonly (WorkerThread | undefined)[];
  /** A thread of the pool can run nothing until it is free again. */
  busy(index: number): void;
  free(index: number): void;
  /** Starts the extra thread. */
  extra(): Promise<{ readonly thread: WorkerThread; end(): Promise<void> }>;
  /** Whether any work waits for threads, as far as is known. */
  isWanted(): boolean;
  /** Why nothing can be asked any more; undefined: it can. */
  refusal(): HandoffError | undefined;
}

/** What is asked. */
export interface Asked<Answer> {
  /** Equal for equal questions. */
  readonly key: string;
  ask(control: Control): Promise<Answer>;
  /** ms that an answer may take; undefined: no limit. */
  readonly limit?: number;
  /** The answer when it takes longer. */
  late?(): Answer;
}

interface Question {
  readonly asked: Asked<any>;
  readonly answered: PromiseWithResolvers<any>;
  waiting: number;
  /** It has shown that it takes long: it is not given a thread of the pool again. */
  slow: boolean;
  /** The thread that looks, and its index in the pool; -1: the extra one. */
  at: { readonly thread: WorkerThread; readonly index: number } | undefined;
  /** Its thread was taken away: it is asked again. */
  evicted: boolean;
}

export class Inspections {
  readonly #parts: InspectionParts;
  readonly #questions = new Map<string, Question>();
  readonly #queue: Question[] = [];
  readonly #looking = new Map<WorkerThread, Question>();
  #extra: Question | 'starting' | undefined;

  constructor(parts: InspectionParts) {
    this.#parts = parts;
  }

  /** Whether a question waits for a thread. */
  get waiting(): boolean {
    return this.#queue.length > 0;
  }

  /**
   * Asks a thread, or waits with others who have asked the same.
   *
   * @param givenUp rejects when this caller no longer wants the answer. When no caller is left, the thread that looks
   *   is ended
   * @throws `NODE_DOWN`; `WORKER_CRASHED` when the thread ends before it has answered
   */
  async ask<Answer>(asked: Asked<Answer>, givenUp: Promise<never>): Promise<Answer> {
    const refusal = this.#parts.refusal();
    if (refusal !== undefined) throw refusal;
    const question = this.#questions.get(asked.key) ?? this.#add(asked);
    question.waiting++;
    try {
      return await Promise.race([question.answered.promise as Promise<Answer>, givenUp]);
    } finally {
      if (--question.waiting === 0) this.#abandon(question);
    }
  }

  /**
   * Other work has come: threads that have looked for long are given back, one after the other, as each is ended while
   * the next is started.
   */
  giveBack(): void {
    const looking = [...this.#looking.values()];
    if (looking.some(({ evicted }) => evicted)) return;
    const slow = looking.find((question) => question.slow);
    if (slow !== undefined) this.#evict(slow);
  }

  /** A thread of the pool may be idle. */
  next(): void {
    while (this.#queue.length > 0 && this.#serveNext());
  }

  #add(asked: Asked<unknown>): Question {
    const question: Question = {
      asked,
      answered: Promise.withResolvers(),
      waiting: 0,
      slow: false,
      at: undefined,
      evicted: false,
    };
    question.answered.promise.catch(() => {});
    this.#questions.set(asked.key, question);
    this.#queue.push(question);
    queueMicrotask(() => this.next());
    return question;
  }

  /** Gives one question a thread; false when it has to wait. */
  #serveNext(): boolean {
    const { threads } = this.#parts;
    const quick = this.#queue.findIndex(({ slow }) => !slow);
    const index =
      quick < 0 ? -1 : threads.findIndex((thread) => thread !== undefined && thread.idle && !this.#looking.has(thread));
    if (index >= 0) {
      void this.#inPool(this.#queue.splice(quick, 1)[0]!, index);
      return true;
    }
    const looking = [...this.#looking.values()];
    // A thread that has just begun to look is free soon.
    if (quick >= 0 && looking.some(({ slow }) => !slow)) return false;
    if (this.#extra === undefined) {
      const [next] = this.#queue.splice(Math.max(0, quick), 1);
      void this.#inExtra(next!);
      return true;
    }
    if (quick >= 0) this.giveBack(); // its thread is started anew, and then is idle
    return false;
  }

  async #inPool(question: Question, index: number): Promise<void> {
    const { threads, busy, free } = this.#parts;
    const thread = threads[index]!;
    this.#looking.set(thread, question);
    busy(index);
    const timer = setTimeout(() => {
      question.slow = true;
      if (this.#parts.isWanted()) this.giveBack();
      this.next();
    }, slowMs);
    await this.#look(question, thread, index);
    clearTimeout(timer);
    this.#looking.delete(thread);
    if (threads[index] === thread) free(index);
    if (this.#looking.size > 0 && this.#parts.isWanted()) this.giveBack();
    this.next();
  }

  async #inExtra(first: Question): Promise<void> {
    let next: Question | undefined = first;
    while (next !== undefined) {
      this.#extra = next;
      let thread: Awaited<ReturnType<InspectionParts['extra']>> | undefined;
      try {
        thread = await this.#parts.extra();
        for (; next !== undefined && !thread.thread.gone; next = this.#nextForExtra()) {
          this.#extra = next;
          await this.#look(next, thread.thread, -1);
        }
      } catch (error) {
        this.#settle(next!, () => next!.answered.reject(error));
        next = undefined;
      } finally {
        this.#extra = 'starting'; // the old one counts until it is gone
        await thread?.end();
      }
      next ??= this.#nextForExtra();
    }
    this.#extra = undefined;
    this.next();
  }

  /** What the extra thread is to look into next: what no thread of the pool is going to. */
  #nextForExtra(): Question | undefined {
    const isPoolLooking = [...this.#looking.values()].some(({ slow }) => !slow);
    const at = this.#queue.findIndex(({ slow }) => slow || !isPoolLooking);
    return at < 0 ? undefined : this.#queue.splice(at, 1)[0];
  }

  /** Has a thread look, which is ended when it takes too long or nobody waits any more. */
  async #look(question: Question, thread: WorkerThread, index: number): Promise<void> {
    const { asked } = question;
    if (!this.#isCurrent(question)) return; // everyone has left while the thread was started
    question.at = { thread, index };
    let timer: LongTimeout | undefined;
    if (asked.limit !== undefined && asked.limit !== Infinity) {
      timer = setLongTimeout(() => {
        this.#settle(question, () => question.answered.resolve(asked.late!()));
        thread.kill();
      }, asked.limit);
    }
    try {
      const answer: unknown = await thread.control((control) => asked.ask(control));
      this.#settle(question, () => question.answered.resolve(answer));
    } catch (error) {
      if (question.evicted && this.#isCurrent(question)) {
        question.evicted = false;
        this.#queue.push(question);
      } else {
        this.#settle(question, () => question.answered.reject(this.#parts.refusal() ?? error));
      }
    } finally {
      question.at = undefined;
      timer?.clear();
    }
  }

  #evict(question: Question): void {
    if (question.at === undefined || question.at.index < 0 || question.evicted) return;
    question.evicted = true;
    question.at.thread.kill();
  }

  #isCurrent(question: Question): boolean {
    return this.#questions.get(question.asked.key) === question;
  }

  #settle(question: Question, settle: () => void): void {
    if (this.#isCurrent(question)) this.#questions.delete(question.asked.key);
    settle();
  }

  /** No one waits for it: what it holds is given back. */
  #abandon(question: Question): void {
    if (!this.#isCurrent(question)) return;
    this.#questions.delete(question.asked.key);
    const at = this.#queue.indexOf(question);
    if (at >= 0) this.#queue.splice(at, 1);
    question.at?.thread.kill();
  }
}
