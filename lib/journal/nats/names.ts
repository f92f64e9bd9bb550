/**
 * The subjects, streams and the bucket of a journal.
 *
 * ```
 *   stream handoff-journal-NAMESPACE         NAMESPACE.journal.run.RUN              the log of one run
 *                                            NAMESPACE.journal.cancel.RUN           whether its end is requested
 *   stream handoff-journal-blobs-NAMESPACE   NAMESPACE.journal.blob.HASH.head       how many parts there are
 *                                            NAMESPACE.journal.blob.HASH.PART
 *                                            NAMESPACE.journal.use.RUN.TIME.HASH    which runs use it
 *   bucket handoff-leases-NAMESPACE          OWNER                                  changes while that process lives
 * ```
 */
import { createHash } from 'node:crypto';

export class Names {
  readonly log: string;
  readonly blobs: string;
  readonly leases: string;
  readonly runs: string;
  readonly cancellations: string;
  readonly heads: string;
  readonly parts: string;
  readonly uses: string;
  readonly #prefix: string;

  constructor(namespace: string) {
    // Streams and buckets allow no dots. Different namespaces keep different names.
    const name = namespace.replaceAll('_', '__').replaceAll('.', '_d');
    this.log = `handoff-journal-${name}`;
    this.blobs = `handoff-journal-blobs-${name}`;
    this.leases = `handoff-leases-${name}`;
    this.#prefix = `${namespace}.journal`;
    this.runs = this.run('*');
    this.cancellations = this.cancellation('*');
    this.heads = this.head('*');
    this.parts = this.part('*', '*');
    this.uses = this.use('*', '*', '*');
  }

  run(token: string): string {
    return `${this.#prefix}.run.${token}`;
  }

  cancellation(token: string): string {
    return `${this.#prefix}.cancel.${token}`;
  }

  head(hash: string): string {
    return this.part(hash, 'head');
  }

  part(hash: string, part: number | string): string {
    return `${this.#prefix}.blob.${hash}.${part}`;
  }

  /** @param submittedAt tells a run from a later one with the same id */
  use(token: string, submittedAt: number | '*', hash: string): string {
    return `${this.#prefix}.use.${token}.${submittedAt}.${hash}`;
  }
}

/** The last token of a subject. */
export function lastTokenOf(subject: string): string {
  return subject.slice(subject.lastIndexOf('.') + 1);
}

/** What stands for a run in a subject: its id if a subject may contain it, otherwise a hash. */
export function tokenOf(runId: string): string {
  if (/^[A-Za-z0-9_-]{1,100}$/.test(runId)) return runId;
  return `=${createHash('sha256').update(runId).digest('base64url')}`;
}
