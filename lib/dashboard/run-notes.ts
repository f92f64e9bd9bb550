/** PURE: what is kept of what was said in one run: its marks, and why functions failed. The oldest of it can be forgotten. */
import type { ErrorView, Mark } from './protocol.ts';
import { toErrorView } from './text.ts';

// What anything takes beside its text, in characters.
const overhead = 100;

/** The most that are kept. */
export interface NotesLimits {
  readonly marks: number;
  /** Of the functions that failed first. */
  readonly errors: number;
}

export class RunNotes {
  /** Why functions failed for good: into the graph. */
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

  /** Characters of all that is kept, about. */
  get size(): number {
    return this.#markSize + this.#errorSize;
  }

  mark(mark: Mark): void {
    this.#marks.push(mark);
    this.#markSize += sizeOfMark(mark);
    if (this.#marks.length > this.#limits.marks) this.#dropMarks(this.#limits.marks);
  }

  /** Of more functions that failed than there is room for, those that failed first are kept. */
  failed(fn: number, error: unknown): void {
    if (fn < 0 || this.errors.size >= this.#limits.errors || this.errors.has(fn)) return;
    const view = toErrorView(error);
    this.errors.set(fn, view);
    this.#errorSize += sizeOfError(view);
  }

  /** Marks that follow the first so many, and how many come before them. */
  marksSince(read: number): { readonly from: number; readonly marks: readonly Mark[] } {
    const from = Math.max(read, this.#dropped);
    return { from, marks: this.#marks.slice(from - this.#dropped) };
  }

  /** Forgets the oldest, some at a time, as each time all others move. */
  drop(): void {
    if (this.#markSize >= this.#errorSize) return this.#dropMarks(this.#marks.length);
    let extra = Math.ceil(this.errors.size / 10);
    for (const [fn, view] of this.errors) {
      if (extra-- === 0) return;
      this.errors.delete(fn);
      this.#errorSize -= sizeOfError(view);
    }
  }

  /** @param of a tenth of so many */
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
  return overhead + name.length + message.length + code.length + stack.length + (cause === undefined ? 0 : sizeOfError(cause));
}
