/** What there is to see and to do over all hosts, for those who show it: one object, whatever host it is asked on. */
import type { TreeNode } from '../workers/supervision/child.ts';
import type { ResultOf } from '../hosts/cluster/requests.ts';
import type { Peer } from '../hosts/cluster/peer.ts';
import type { CompiledDag } from '../dag/compiled-dag.ts';
import { HandoffError } from '../core/errors.ts';
import type { FunctionDetail, NodeActivity, ThreadActivity } from '../events/activity.ts';
import type { Feed } from '../events/feed.ts';
import type { Explanation } from '../engine/explain.ts';
import { HandoffFeed, nameOf } from './feed/feed.ts';
import { OwnEvents } from './feed/local-events.ts';
import type { Tap } from './feed/event-tap.ts';
import type { Hosts } from './hosts.ts';
import type { CostModel } from '../scheduling/costs/cost-model.ts';
import { type HereParts, type HostActivity, OverviewHere, type ThreadReport } from './local-overview.ts';

/** Hosts are named as in `Told`. Of a host that is gone, or goes before it answers, nothing is found. */
export interface Overview {
  /** This host. Its name is known once it has started. */
  readonly host: string;
  readonly feed: Feed;
  /** What this host tells, alone: for who has a reader on each host. Nothing is asked of others for it. */
  readonly ownFeed: Feed;
  /** The compiled DAG of a run of this host that is under way: at hand at once, where the graph of `ownFeed` takes a while to make. */
  planOf(runId: string): CompiledDag | undefined;
  /**
   * Ends a run that is under way; it fails with `ABORTED`.
   *
   * @returns false when there is none
   */
  cancel(host: string, runId: string): Promise<boolean>;
  /** What a run waits for, or one function of it. @throws `NOT_FOUND` when it is not under way, or has no such function */
  explain(host: string, runId: string, functionId?: string): Promise<Explanation>;
  /** A function of a run that is under way, or whose results are retained. @throws `NOT_FOUND` */
  functionDetail(host: string, runId: string, functionId: string): Promise<FunctionDetail>;
  /** The supervision trees, by host. */
  trees(): Promise<Record<string, TreeNode>>;
  /** All nodes. Takes a tenth of a second, over which use is measured. */
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
  /** ms that its clock is ahead. */
  readonly offset: number;
}

/** This host's part, and the others' for the asking. */
export class HandoffOverview implements Overview {
  readonly feed: Feed;
  readonly ownFeed: Feed;
  readonly #own: OwnEvents;
  readonly #here: OverviewHere;
  readonly #hosts: Hosts | undefined;

  constructor({ tap, hosts, learned, ...parts }: OverviewParts) {
    const own = new OwnEvents(tap, parts.driver, learned);
    this.#own = own;
    this.#hosts = hosts;
    this.feed = new HandoffFeed(own, () => this.host, hosts);
    this.ownFeed = new HandoffFeed(own, () => this.host, undefined);
    this.#here = new OverviewHere({ ...parts, own, id: hosts?.id, guestWork: () => hosts?.cluster.guestWork() ?? [] });
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
      return peer !== undefined && await peer.request('cancel', runId);
    } catch (error) {
      if (peer!.closed) return false; // what it ran is over, too
      throw error;
    }
  }

  explain(host: string, runId: string, functionId?: string): Promise<Explanation> {
    return this.#ask(host, runId, () => this.#here.explain(runId, functionId), (peer) => peer.request('explain', runId, functionId));
  }

  functionDetail(host: string, runId: string, functionId: string): Promise<FunctionDetail> {
    return this.#ask(host, runId, () => this.#here.functionDetail(runId, functionId), (peer) => peer.request('functionDetail', runId, functionId));
  }

  async trees(): Promise<Record<string, TreeNode>> {
    const others = await this.#askAll('tree');
    return Object.fromEntries([[this.host, this.#here.tree()], ...others.map(({ host, answer }) => [host, answer] as const)]);
  }

  async nodes(): Promise<NodeActivity[]> {
    const [here, others] = await Promise.all([this.#here.activity(), this.#askAll('activity')]);
    const all: Answer<HostActivity>[] = [{ host: this.host, answer: here, offset: 0 }, ...others];
    const functions = new Map(all.map(({ answer }) => [answer.id, answer.functions]));
    const runningOf = (running: ThreadReport['running'], offset: number): ThreadActivity['running'] => {
      const known = running === null ? undefined : functions.get(running.host)?.get(running.batch);
      return known === undefined ? null : { ...known, since: running!.since - offset };
    };
    return all.flatMap(({ host, answer, offset }) => answer.nodes.map((node) => ({ ...node, host, threads: node.threads.map((thread) => ({ ...thread, running: runningOf(thread.running, offset) })) })));
  }

  /** @throws what it throws here or there; `NOT_FOUND` when there is no such host */
  async #ask<Result>(host: string, runId: string, here: () => Result, ask: (peer: Peer) => Promise<Result>): Promise<Result> {
    if (host === this.host) return here();
    const peer = this.#peer(host);
    if (peer !== undefined) return ask(peer);
    throw new HandoffError('NOT_FOUND', `There is no host ${host}, which was to have run ${JSON.stringify(runId)}.`, { runId });
  }

  /** Asks all other hosts. Those that go before they answer are left out. */
  async #askAll<Name extends 'tree' | 'activity'>(method: Name): Promise<Answer<ResultOf<Name>>[]> {
    const answers = await Promise.all((this.#hosts?.cluster.hosts ?? []).map(async ({ peer }): Promise<Answer<ResultOf<Name>> | undefined> => {
      try {
        return { host: nameOf(peer), answer: await (peer.request as (method: Name) => Promise<ResultOf<Name>>).call(peer, method), offset: peer.clock.offset };
      } catch (error) {
        if (peer.closed) return undefined;
        throw error;
      }
    }));
    return answers.filter((answer) => answer !== undefined);
  }

  #peer(host: string): Peer | undefined {
    return this.#hosts?.cluster.hosts.find(({ peer }) => nameOf(peer) === host)?.peer;
  }
}
