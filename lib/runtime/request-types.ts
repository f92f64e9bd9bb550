/**
 * Requests between hosts in addition to those of the cluster: arguments and result by method. requests.ts checks them.
 */
import type { Request as Of } from '../hosts/cluster/requests.ts';
import type { Capabilities } from '../dag/types.ts';
import type { Explanation } from '../engine/explain.ts';
import type { FunctionDetail } from '../events/activity.ts';
import type { TreeNode } from '../workers/supervision/child.ts';
import type { SpawnOptions } from './options/actor-options.ts';
import type { HostActivity } from './local-overview.ts';
import type { ActorCard, ExitWire, SeenDeath } from './actors/remote-actors.ts';
import type { Parcel } from './values/remote-values.ts';
import type { Overuse } from './usage/claim-watch.ts';
import type { NodeResources } from './usage/resources.ts';

declare module '../hosts/cluster/requests.ts' {
  interface Requests {
    /** The sender is about to leave: the receiver finishes its work there, and fetches the results it needs. */
    readonly leave: Of<[], void>;
    readonly resources: Of<[], Record<string, NodeResources>>;
    readonly overuse: Of<[overuse: Overuse], void>;
    readonly updateCapabilities: Of<[node: string, changed: Capabilities], boolean>;
    readonly spawn: Of<
      [code: unknown, options: Omit<SpawnOptions, 'args'> & { readonly args: readonly Parcel[] }],
      ActorCard
    >;
    readonly ask: Of<[actor: string, method: string, args: readonly Parcel[], timeout?: number | undefined], Parcel>;
    readonly tell: Of<[actor: string, method: string, args: readonly Parcel[]], void>;
    readonly stopActor: Of<[actor: string], void>;
    readonly exited: Of<[actor: string], ExitWire>;
    /** The death number `seen` of an actor, once it happens; undefined: the next death. */
    readonly death: Of<[actor: string, seen: number | undefined], SeenDeath>;
    /** The named actors of the sender. */
    readonly names: Of<[cards: readonly ActorCard[]], void>;
    readonly cancel: Of<[runId: string], boolean>;
    readonly explain: Of<[runId: string, functionId?: string | undefined], Explanation>;
    readonly functionDetail: Of<[runId: string, functionId: string], FunctionDetail>;
    readonly tree: Of<[], TreeNode>;
    readonly activity: Of<[], HostActivity>;
    readonly getValue: Of<[run: string, id: string], Parcel>;
    readonly await: Of<[run: string, id: string, timeout: number], Parcel>;
    readonly lookup: Of<[run: string, id: string], string | undefined>;
    readonly clear: Of<[run: string], void>;
    /** Subscribes a session of the sender to these event types; an empty list ends the subscription. */
    readonly watch: Of<[session: number, types: readonly string[]], void>;
    readonly deliver: Of<[session: number, events: readonly unknown[], dropped: number], void>;
  }
}
