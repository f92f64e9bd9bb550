/** What views can see and do across all hosts, through one object on any host. */
import type { TreeNode } from '../workers/supervision/child.ts';
import type { ResultOf } from '../hosts/cluster/requests.ts';
import type { Peer } from '../hosts/cluster/peer.ts';
import type { CompiledDag } from '../dag/compile/compiled-dag.ts';
import { HandoffError } from '../core/errors.ts';
import type { FunctionDetail, NodeActivity, ThreadActivity } from '../events/activity.ts';
import type { Feed, FeedEvent } from '../events/feed.ts';
import type { Journal } from '../journal/journal.ts';
import type { Explanation } from '../engine/explain.ts';
import { HandoffFeed, nameOf } from './feed/feed.ts';
import { OwnEvents } from './feed/local-events.ts';
import type { Tap } from './feed/event-tap.ts';
import type { Hosts } from './hosts.ts';
import type { CostModel } from '../scheduling/costs/cost-model.ts';
import { type HereParts, type HostActivity, OverviewHere, type ThreadReport } from './local-overview.ts';

/** Hosts are named as in the events of `feed`. A host that has disconnected is not found. */
export interface Overview {
  /** This host. Its name is known after the start. */
  readonly host: string;
  readonly feed: Feed;
  /** The events of this host only, for views that read each host separately. It sends no requests. */
  readonly ownFeed: Feed;
  /**
   * The compiled DAG of a running DAG of this host. It is available at once, whereas `ownFeed` takes a while to build a
   * graph.
   */
  planOf(runId: string): CompiledDag | undefined;
  /**
   * Cancels a run. It rejects with `ABORTED`.
   *
   * @returns false when there is no such run
   */
  cancel(host: string, runId: string): Promise<boolean>;
  /**
   * What a run or one function waits for.
   * @throws `NOT_FOUND` when there is no such run or function
   */
  explain(host: string, runId: string, functionId?: string): Promise<Explanation>;
  /**
   * A function of a run that is running or whose results are kept.
   * @throws `NOT_FOUND` when there is none
   */
  functionDetail(host: string, runId: string, functionId: string): Promise<FunctionDetail>;
  /**
   * The events of runs of the journal that have ended, run by run, the newest first. Nothing without a journal.
   *
   * @param isKnown whether a run need not be read, by its id
   */
  recorded(isKnown: (runId: string) => boolean): AsyncIterable<readonly FeedEvent[]>;
  /** Gives it the journal, once that is open. */
  readsFrom(journal: Journal): void;
  /** The supervision trees by host. */
  trees(): Promise<Record<string, TreeNode>>;
  /** All nodes, with their use measured over 100 ms. */
  nodes(): Promise<NodeActivity[]>;
}

export interface OverviewParts extends Omit<HereParts, 'own' | 'id' | 'guestWork'> {
  readonly tap: Tap;
  readonly hosts: Hosts | undefined;
  readonly learned: CostModel;
}

interface Answer<Result> {
  readonly host: string;
  readonly answer: Result;
  /** How far the clock of that host is ahead, in ms. */
  readonly offset: number;
}

/** Combines this host's part with the answers of other hosts. */
export class HandoffOverview implements Overview {
  readonly feed: Feed;
  readonly ownFeed: Feed;
  readonly #own: OwnEvents;
  readonly #here: OverviewHere;
  readonly #hosts: Hosts | undefined;
  #journal: Journal | undefined;

  constructor({ tap, hosts, learned, ...parts }: OverviewParts) {
    const own = new OwnEvents(tap, parts.driver, learned);
    this.#own = own;
    this.#hosts = hosts;
    this.feed = new HandoffFeed(own, () => this.host, hosts);
    this.ownFeed = new HandoffFeed(own, () => this.host, undefined);
    this.#here = new OverviewHere({ ...parts, own, id: hosts?.id, guestWork: () => hosts?.cluster.remoteWork() ?? [] });
    hosts?.answer('cancel', ([runId], peer) => this.#here.cancel(runId, nameOf(peer)));
    hosts?.answer('explain', ([runId, functionId]) => this.#here.explain(runId, functionId));
    hosts?.answer('functionDetail', ([runId, functionId]) => this.#here.functionDetail(runId, functionId));
    hosts?.answer('tree', () => this.#here.tree());
    hosts?.answer('activity', () => this.#here.activity());
  }

  get host(): string {
    return this.#hosts?.cluster.address ?? 'local';
  }

  planOf(runId: string): CompiledDag | undefined {
    return this.#own.find(runId)?.plan;
  }

  async cancel(host: string, runId: string): Promise<boolean> {
    if (host === this.host) return this.#here.cancel(runId, host);
    const peer = this.#peer(host);
    try {
      return peer !== undefined && (await peer.request('cancel', runId));
    } catch (error) {
      if (peer!.closed) return false; // its runs ended with its connection
      throw error;
    }
  }

  explain(host: string, runId: string, functionId?: string): Promise<Explanation> {
    return this.#ask(
      host,
      runId,
      () => this.#here.explain(runId, functionId),
      (peer) => peer.request('explain', runId, functionId),
    );
  }

  functionDetail(host: string, runId: string, functionId: string): Promise<FunctionDetail> {
    return this.#ask(
      host,
      runId,
      () => this.#here.functionDetail(runId, functionId),
      (peer) => peer.request('functionDetail', runId, functionId),
    );
  }

  async *recorded(isKnown: (runId: string) => boolean): AsyncGenerator<readonly FeedEvent[]> {
    if (this.#journal === undefined) return;
    const { recordedRuns } = await import('./durable/recorded-events.ts');
    yield* recordedRuns(this.#journal, isKnown);
  }

  readsFrom(journal: Journal): void {
    this.#journal = journal;
  }

  async trees(): Promise<Record<string, TreeNode>> {
    const others = await this.#askAll('tree');
    return Object.fromEntries([
      [this.host, this.#here.tree()],
      ...others.map(({ host, answer }) => [host, answer] as const),
    ]);
  }

  async nodes(): Promise<NodeActivity[]> {
    const [here, others] = await Promise.all([this.#here.activity(), this.#askAll('activity')]);
    const all: Answer<HostActivity>[] = [{ host: this.host, answer: here, offset: 0 }, ...others];
    const functions = new Map(all.map(({ answer }) => [answer.id, answer.functions]));
    const runningOf = (running: ThreadReport['running'], offset: number): ThreadActivity['running'] => {
      const known = running === null ? undefined : functions.get(running.host)?.get(running.batch);
      return known === undefined ? null : { ...known, since: running!.since - offset };
    };
    return all.flatMap(({ host, answer, offset }) =>
      answer.nodes.map((node) => ({
        ...node,
        host,
        threads: node.threads.map((thread) => ({ ...thread, running: runningOf(thread.running, offset) })),
      })),
    );
  }

  /** @throws the errors of the query; `NOT_FOUND` when there is no such host */
  async #ask<Result>(
    host: string,
    runId: string,
    here: () => Result,
    ask: (peer: Peer) => Promise<Result>,
  ): Promise<Result> {
    if (host === this.host) return here();
    const peer = this.#peer(host);
    if (peer !== undefined) return ask(peer);
    throw new HandoffError('NOT_FOUND', `There is no host ${host} to ask for run ${JSON.stringify(runId)}.`, { runId });
  }

  /** Asks all other hosts. Hosts that disconnect before they answer are left out. */
  async #askAll<Name extends 'tree' | 'activity'>(method: Name): Promise<Answer<ResultOf<Name>>[]> {
    const answers = await Promise.all(
      (this.#hosts?.cluster.hosts ?? []).map(async ({ peer }): Promise<Answer<ResultOf<Name>> | undefined> => {
        try {
          return {
            host: nameOf(peer),
            answer: await (peer.request as (method: Name) => Promise<ResultOf<Name>>).call(peer, method),
            offset: peer.clock.offset,
          };
        } catch (error) {
          if (peer.closed) return undefined;
          throw error;
        }
      }),
    );
    return answers.filter((answer) => answer !== undefined);
  }

  #peer(host: string): Peer | undefined {
    return this.#hosts?.cluster.hosts.find(({ peer }) => nameOf(peer) === host)?.peer;
  }
}
