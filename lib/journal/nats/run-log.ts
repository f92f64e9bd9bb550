/** The logs of runs: one subject each. Of two processes that write to one at the same time, one fails. */
import type { MsgHdrs } from '@nats-io/transport-node';
import type { Blobs } from './blobs.ts';
import { decodeEntry, encodeEntry, type Entry } from './entry.ts';
import { HandoffError } from '../../core/errors.ts';
import { journalFailed } from './failures.ts';
import { type Names, tokenOf } from './names.ts';
import type { Seal } from './seal.ts';
import type { Servers } from './servers.ts';

const entryHeader = 'Handoff-Run';
const proofHeader = 'Handoff-Proof';

/** ms in which all messages of a log arrive. */
const readTimeoutMs = 10_000;

/** The last entry of a run, and the sequence of its message. */
export interface LastEntry {
  readonly entry: Entry;
  readonly sequence: number;
}

export class RunLog {
  readonly #servers: Servers;
  readonly #names: Names;
  readonly #seal: Seal;
  readonly #blobs: Blobs;

  constructor(servers: Servers, names: Names, seal: Seal, blobs: Blobs) {
    this.#servers = servers;
    this.#names = names;
    this.#seal = seal;
    this.#blobs = blobs;
  }

  /**
   * Undefined when there is no such run, or it was deleted.
   *
   * @throws `JOURNAL_FAILED` when a process without the secret wrote it
   */
  async last(runId: string): Promise<LastEntry | undefined> {
    const found = await this.#last(runId);
    return found?.entry.state === 'deleted' ? undefined : found;
  }

  async #last(runId: string): Promise<(LastEntry & { readonly body: Uint8Array }) | undefined> {
    const subject = this.#names.run(tokenOf(runId));
    const message = await this.#servers.last(this.#names.log, subject);
    if (message === undefined) return undefined;
    return { entry: this.#needEntry(subject, message.header), sequence: message.seq, body: message.data };
  }

  /**
   * Adds the first entry of a run.
   *
   * @returns its sequence; undefined when the id is in use
   */
  async begin(entry: Entry, chunk: Uint8Array): Promise<number | undefined> {
    const old = await this.#last(entry.runId);
    if (old !== undefined && old.entry.state !== 'deleted') return undefined;
    return this.add(entry, chunk, old?.sequence ?? 0, old !== undefined);
  }

  /**
   * Adds an entry behind another one.
   *
   * @param chunk that the entry adds, if any
   * @param after the sequence of the entry before
   * @param replaces whether all earlier ones are deleted
   * @returns its sequence; undefined when there is another entry by now
   */
  async add(
    given: Omit<Entry, 'chunk'>,
    chunk: Uint8Array | undefined,
    after: number,
    replaces = false,
  ): Promise<number | undefined> {
    const isLong = chunk !== undefined && chunk.length > this.#servers.maxBodyBytes;
    const entry: Entry = {
      ...given,
      chunk: chunk === undefined ? 'none' : isLong ? { blob: await this.#blobs.putUnnamed(given, chunk) } : 'body',
    };
    const subject = this.#names.run(tokenOf(entry.runId));
    const text = encodeEntry(entry);
    const body = chunk === undefined || isLong ? empty : this.#seal.close(placeOf(subject, entry), chunk);
    const proof = this.#seal.proofOf(subject, text);
    return this.#servers.write(this.#names.log, subject, body, {
      headers: { [entryHeader]: text, ...(proof !== '' && { [proofHeader]: proof }) },
      expected: after,
      replaces,
    });
  }

  /**
   * The chunks of a run; empty when there is no such run.
   *
   * @throws `JOURNAL_FAILED` when the servers have lost some of them
   */
  async read(runId: string): Promise<Uint8Array[]> {
    const last = await this.#last(runId);
    if (last === undefined || last.entry.state === 'deleted') return [];
    const subject = this.#names.run(tokenOf(runId));
    const all = last.entry.at === 0 ? [last] : await this.#messages(subject, last.sequence);
    const chunks: Uint8Array[] = [];
    for (const [at, { entry, body }] of all.entries()) {
      if (entry.at !== at) throw this.#lost(runId, at);
      if (entry.chunk === 'none') continue;
      const chunk =
        entry.chunk === 'body'
          ? this.#seal.open(placeOf(subject, entry), body)
          : await this.#blobs.get(entry.chunk.blob);
      if (chunk === undefined) throw this.#lost(runId, at);
      chunks.push(chunk);
    }
    if (all.length !== last.entry.at + 1 || chunks.length !== last.entry.position) throw this.#lost(runId, all.length);
    return chunks;
  }

  /** What a message of the log says of its run; undefined when no process of this journal wrote it. */
  entryOf(subject: string, headers: MsgHdrs | undefined): Entry | undefined {
    const text = headers?.get(entryHeader) ?? '';
    if (!this.#seal.isProven(subject, text, headers?.get(proofHeader) ?? '')) return undefined;
    return decodeEntry(text);
  }

  #needEntry(subject: string, headers: MsgHdrs | undefined): Entry {
    const entry = this.entryOf(subject, headers);
    if (entry !== undefined) return entry;
    throw new HandoffError(
      'JOURNAL_FAILED',
      `The journal at ${this.#servers.place} has a record of ${subject} that no host with the secret of this one has written. ` +
        'Give all hosts of a namespace the same secret, or use another namespace.',
    );
  }

  /** The messages of a run up to a sequence. */
  async #messages(
    subject: string,
    until: number,
  ): Promise<readonly { readonly entry: Entry; readonly body: Uint8Array }[]> {
    return this.#servers.run('read', async () => {
      const found: { entry: Entry; body: Uint8Array }[] = [];
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const timer = setTimeout(
        () => reject(Object.assign(new Error('the server sent only a part of a log'), { name: 'TimeoutError' })),
        readTimeoutMs,
      );
      const unfollow = await this.#servers.follow(this.#names.log, 'all', subject, (message) => {
        try {
          if (message.seq <= until)
            found.push({ entry: this.#needEntry(subject, message.headers), body: message.data });
          if (message.seq >= until) resolve();
        } catch (error) {
          reject(error);
        }
      });
      try {
        await promise;
      } finally {
        clearTimeout(timer);
        unfollow();
      }
      return found;
    });
  }

  #lost(runId: string, at: number): HandoffError {
    return journalFailed(
      this.#servers.place,
      'read',
      new Error(`the record at position ${at} of run ${JSON.stringify(runId)} is missing or damaged`),
    );
  }
}

const empty = new Uint8Array();

/** A chunk can stand nowhere else. */
function placeOf(subject: string, { submittedAt, at, term }: Entry): string {
  return `${subject} ${submittedAt} ${at} ${term}`;
}
