/** The data that the dashboard needs. `Overview` of the runtime provides it. */
import type { TreeNode } from '../workers/supervision/child.ts';
import type { FunctionDetail, NodeActivity } from '../events/activity.ts';
import type { Feed, FeedEvent } from '../events/feed.ts';

/** What a function waits for. */
interface Explained {
  readonly text: string;
  readonly functions: readonly { readonly state: string; readonly node?: string }[];
}

/** Hosts have the names of `FeedEvent.host`. */
export interface Source {
  readonly feed: Feed;
  /**
   * Cancels a run in progress.
   *
   * @returns false if there is no such run
   */
  cancel(host: string, runId: string): Promise<boolean>;
  /** @throws NOT_FOUND if there is no such run or function */
  explain(host: string, runId: string, functionId?: string): Promise<Explained>;
  /** @throws NOT_FOUND if there is no such run or function */
  functionDetail(host: string, runId: string, functionId: string): Promise<FunctionDetail>;
  /**
   * The events of recorded runs that have ended, run by run. A source without it has no journal.
   *
   * @param isKnown whether a run need not be read, by its id
   */
  recorded?(isKnown: (runId: string) => boolean): AsyncIterable<readonly FeedEvent[]>;
  trees(): Promise<Record<string, TreeNode>>;
  nodes(): Promise<NodeActivity[]>;
}
