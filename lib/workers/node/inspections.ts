/**
 * Inspecting code in threads: which functions a module exports, which free variables a source has. Each question is
 * answered once for all its callers, in an idle thread of the pool.
 *
 * ```
 *   question ─► an idle thread of the pool ─► answer
 *       │             └─ slow, and other work needs the thread: the thread restarts, and the question goes on to …
 *       └─ all threads run functions ─────► … the one extra thread, which ends when no question waits
 * ```
 *
 * So a node never has more than one thread beyond its own, and an import that never ends blocks no other work.
 */
import { HandoffError } from '../../core/errors.ts';
import { type LongTimeout, setLongTimeout } from '../../core/long-timeout.ts';
import type { WorkerThread } from './worker-thread.ts';
import type { Control } from './wire.ts';

// ms after which an import gives its thread back when other work needs it.
const maxQuickMs = 1000;

export interface InspectionParts {
  /** The threads of the pool, by index; undefined: starting. */
  readonly threads: readonly (WorkerThread | undefined)[];
  /** A thread of the pool runs no functions until `free`. */
  busy(index: number): void;
  free(index: number): void;
  /** Starts the extra thread. */
  extra(): Promise<{ readonly thread: WorkerThread; end(): Promise<void> }>;
  /** Whether any work is known to wait for threads. */
  isWanted(): boolean;
  /** The error for new questions; undefined: questions are accepted. */
  refusal(): HandoffError | undefined;
}

/** A question. */
export interface Asked<Answer> {
  /** Equal for equal questions. */
  readonly key: string;
  ask(control: Control): Promise<Answer>;
  /** ms an answer may take; undefined: no limit. */
  readonly limit?: number;
  /** The answer when the limit is over. */
  late?(): Answer;
}

interface Question {
  readonly asked: Asked<any>;
  readonly answered: PromiseWithResolvers<any>;
  waiting: number;
  /** It has taken long once, so it gets no thread of the pool again. */
  slow: boolean;
  /** The thread that works on it and its index in the pool; -1: the extra thread. */
  at: { readonly thread: WorkerThread; readonly index: number } | undefined;
  /** Its thread was taken away, so it is asked again. */
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
   * Asks a thread, or joins callers with the same question.
   *
   * @param givenUp rejects when this caller no longer needs the answer. Without callers, the thread that works on it
   *   ends
   * @throws `NODE_DOWN` when the node is gone or stopping; `WORKER_CRASHED` when the thread ends before it has
   *   answered
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

  /** Other work has arrived: takes one slow thread back. The next follows when that one has restarted. */
  giveBack(): void {
    const looking = [...this.#looking.values()];
    if (looking.some(({ evicted }) => evicted)) return;
    const slow = looking.find((question) => question.slow);
    if (slow !== undefined) this.#evict(slow);
  }

  /** Call when a thread of the pool may have become idle. */
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

  /** Assigns a thread to one question; false when it has to wait. */
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
    // A thread that has just begun will be free soon.
    if (quick >= 0 && looking.some(({ slow }) => !slow)) return false;
    if (this.#extra === undefined) {
      const [next] = this.#queue.splice(Math.max(0, quick), 1);
      void this.#inExtra(next!);
      return true;
    }
    if (quick >= 0) this.giveBack(); // that thread restarts and is then idle
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
    }, maxQuickMs);
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

  /** The next question for the extra thread: one that no thread of the pool will take. */
  #nextForExtra(): Question | undefined {
    const isPoolLooking = [...this.#looking.values()].some(({ slow }) => !slow);
    const at = this.#queue.findIndex(({ slow }) => slow || !isPoolLooking);
    return at < 0 ? undefined : this.#queue.splice(at, 1)[0];
  }

  /** Lets a thread work on a question. The thread is ended at the limit, or when no caller is left. */
  async #look(question: Question, thread: WorkerThread, index: number): Promise<void> {
    const { asked } = question;
    if (!this.#isCurrent(question)) return; // all callers left while the thread started
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
      // Code in a thread that is being ended goes wrong: native functions return undefined. Such an answer is worthless.
      if (!question.evicted) this.#settle(question, () => question.answered.resolve(answer));
    } catch (error) {
      if (!question.evicted) this.#settle(question, () => question.answered.reject(this.#parts.refusal() ?? error));
    } finally {
      question.at = undefined;
      timer?.clear();
    }
    if (question.evicted) this.#askAgain(question);
  }

  #askAgain(question: Question): void {
    question.evicted = false;
    const refusal = this.#parts.refusal();
    if (refusal !== undefined) this.#settle(question, () => question.answered.reject(refusal));
    else if (this.#isCurrent(question)) this.#queue.push(question);
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

  /** No caller is left: frees what the question holds. */
  #abandon(question: Question): void {
    if (!this.#isCurrent(question)) return;
    this.#questions.delete(question.asked.key);
    const at = this.#queue.indexOf(question);
    if (at >= 0) this.#queue.splice(at, 1);
    question.at?.thread.kill();
  }
}
