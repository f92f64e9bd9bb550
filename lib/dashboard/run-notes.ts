/** PURE: the marks of a run and the errors of its functions. The oldest can be dropped. */
import type { ErrorView, Mark } from './protocol.ts';
import { toErrorView } from './text.ts';

// Approximate size of an entry without its text, in characters.
const overhead = 100;

/** Limits. */
export interface NotesLimits {
  readonly marks: number;
  /** The first errors are kept. */
  readonly errors: number;
}

export class RunNotes {
  /** Errors of functions that failed, by index into the graph. */
  readonly errors = new Map<number, ErrorView>();
  readonly #marks: Mark[] = [];
  readonly #limits: NotesLimits;
  #dropped = 0;
  #markSize = 0;
  #errorSize = 0;

  constructor(limits: NotesLimits) {
    this.#limits = limits;
  }

  get marks(): readonly Mark[] {
    return this.#marks;
  }

  /** Approximate size in characters. */
  get size(): number {
    return this.#markSize + this.#errorSize;
  }

  mark(mark: Mark): void {
    this.#marks.push(mark);
    this.#markSize += sizeOfMark(mark);
    if (this.#marks.length > this.#limits.marks) this.#dropMarks(this.#limits.marks);
  }

  /** Records an error. Beyond the limit, the first errors are kept. */
  failed(fn: number, error: unknown): void {
    if (fn < 0 || this.errors.size >= this.#limits.errors || this.errors.has(fn)) return;
    const view = toErrorView(error);
    this.errors.set(fn, view);
    this.#errorSize += sizeOfError(view);
  }

  /** Marks after the first `read`, and how many come before them. */
  marksSince(read: number): { readonly from: number; readonly marks: readonly Mark[] } {
    const from = Math.max(read, this.#dropped);
    return { from, marks: this.#marks.slice(from - this.#dropped) };
  }

  /** Drops some of the oldest entries at once, because each drop moves all others. */
  drop(): void {
    if (this.#markSize >= this.#errorSize) return this.#dropMarks(this.#marks.length);
    let extra = Math.ceil(this.errors.size / 10);
    for (const [fn, view] of this.errors) {
      if (extra-- === 0) return;
      this.errors.delete(fn);
      this.#errorSize -= sizeOfError(view);
    }
  }

  /** @param of number of marks; a tenth of it is dropped */
  #dropMarks(of: number): void {
    const gone = this.#marks.splice(0, Math.ceil(of / 10));
    this.#dropped += gone.length;
    for (const mark of gone) this.#markSize -= sizeOfMark(mark);
  }
}

function sizeOfMark({ text }: Mark): number {
  return overhead + text.length;
}

function sizeOfError({ name, message, code = '', stack = '', cause }: ErrorView): number {
  return (
    overhead +
    name.length +
    message.length +
    code.length +
    stack.length +
    (cause === undefined ? 0 : sizeOfError(cause))
  );
}
