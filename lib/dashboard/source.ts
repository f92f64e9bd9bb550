/** What the dashboard shows, as it needs it of whoever has it: `Overview` of the runtime is one. */
import type { TreeNode } from '../workers/supervision/child.ts';
import type { FunctionDetail, NodeActivity } from '../events/activity.ts';
import type { Feed } from '../events/feed.ts';

/** What a function waits for. */
interface Explained {
  readonly text: string;
  readonly functions: readonly { readonly state: string; readonly node?: string }[];
}

/** Hosts are named as in `Told`. */
export interface Source {
  readonly feed: Feed;
  /** Ends a run that is under way; false: there is none. */
  cancel(host: string, runId: string): Promise<boolean>;
  /** @throws `NOT_FOUND` */
  explain(host: string, runId: string, functionId?: string): Promise<Explained>;
  /** @throws `NOT_FOUND` */
  functionDetail(host: string, runId: string, functionId: string): Promise<FunctionDetail>;
  trees(): Promise<Record<string, TreeNode>>;
  nodes(): Promise<NodeActivity[]>;
}
