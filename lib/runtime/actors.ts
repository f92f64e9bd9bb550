/** User actors: spawned, found by name, supervised in groups. */
import { nanoid } from 'nanoid/non-secure';
import type { Exit, Restart, Running, Strategy } from '../workers/supervision/child.ts';
import type { Overflow } from '../workers/actor/mailbox.ts';
import { ActorCell } from '../workers/actor/cell.ts';
import { Group } from '../workers/actor/group.ts';
import { type ActorRef, createRef } from '../workers/actor/ref.ts';
import type { RemoteHost } from '../hosts/cluster/remote-host.ts';
import { toReference } from '../dag/code.ts';
import type { ClassReference } from '../dag/task.ts';
import { HandoffError } from '../core/errors.ts';
import type { Question } from '../workers/node/lane-messages.ts';
import type { Output } from '../workers/node/wire.ts';
import { timestamp } from '../events/events.ts';
import { locate, missing } from '../workers/code/locate.ts';
import type { CodeVersions } from '../workers/code/versions.ts';
import type { Publisher } from '../engine/event-publisher.ts';
import { checkOptions, invalidOption, isAmount, type Rule, rules, type Schema } from '../core/schema.ts';

/** How often its children may be started again before a supervisor gives up. */
interface IntensityOptions {
  /** Default 3. */
  readonly maxRestarts?: number;
  /** The time in which they count. Default 5. */
  readonly maxSeconds?: number;
}

export interface SpawnOptions<Args extends readonly unknown[] = readonly unknown[]> extends IntensityOptions {
  /** For the constructor. */
  readonly args?: Args | undefined;
  /** The node it is on. Default: the first of this host. */
  readonly node?: string | undefined;
  /** By which others find it; one actor at a time has it. */
  readonly name?: string | undefined;
  /** When its thread is started again: always (default), only after an error, or never. */
  readonly restart?: Restart | undefined;
  /** ms it may take to finish what it has begun when it is stopped. Default 5000. */
  readonly shutdownTimeout?: number | undefined;
  /** How many messages may wait. Default 10,000. `overflow`: whether one more is refused (default), or pushes out the oldest. */
  readonly mailbox?: { readonly capacity?: number; readonly overflow?: Overflow } | undefined;
  /** After how many messages `snapshot()` is called, when the class has it. Default 1: nothing that was answered is lost. */
  readonly snapshotInterval?: number | undefined;
}

export interface SuperviseOptions extends IntensityOptions {
  /** Shown in the tree. Default: one that is made up. */
  readonly name?: string | undefined;
  /** Who else is started again when one ends. Default `'one-for-one'`. */
  readonly strategy?: Strategy | undefined;
  /** When the group itself is started again by the group it is in. Default `'permanent'`; at the top a group that gives up stays down. */
  readonly restart?: Restart | undefined;
}

/** Actors under a supervisor of their own. */
export interface ActorGroup {
  readonly name: string;
  /** Resolves when it has ended for good, with why. */
  readonly exited: Promise<Exit>;
  /** As `Handoff.spawn`, under this supervisor. */
  spawn<Instance, Args extends readonly unknown[]>(reference: ClassReference<Instance, Args>, options?: SpawnOptions<Args>): Promise<ActorRef<Instance>>;
  /** A group within this one: when it gives up, this one decides. */
  supervise(options?: SuperviseOptions): Promise<ActorGroup>;
  /** Stops all of it, last started first. */
  stop(): Promise<void>;
}

const restartRule: Rule = { expected: "'permanent', 'transient' or 'temporary'", holds: (value) => ['permanent', 'transient', 'temporary'].includes(value as string) };
const nameRule: Rule = { expected: 'a string that is not empty', holds: (value) => typeof value === 'string' && value !== '' };
const intensitySchema = {
  maxRestarts: rules.whole,
  maxSeconds: { expected: 'a finite number above 0', holds: (value) => isAmount(value) && value > 0 } as Rule,
};
const mailboxSchema: Schema<NonNullable<SpawnOptions['mailbox']>> = {
  capacity: rules.atLeastOne,
  overflow: { expected: "'reject' or 'drop-oldest'", holds: (value) => value === 'reject' || value === 'drop-oldest' },
};
const spawnSchema: Schema<SpawnOptions> = {
  ...intensitySchema,
  args: { expected: 'a list of arguments for the constructor', holds: (value) => Array.isArray(value) },
  node: nameRule, name: nameRule, restart: restartRule, shutdownTimeout: rules.milliseconds, snapshotInterval: rules.atLeastOne,
  mailbox: { expected: 'an object with capacity and overflow', holds: (value) => typeof value === 'object' && value !== null },
};
const superviseSchema: Schema<SuperviseOptions> = {
  ...intensitySchema, name: nameRule, restart: restartRule,
  strategy: { expected: "'one-for-one', 'one-for-all' or 'rest-for-one'", holds: (value) => ['one-for-one', 'one-for-all', 'rest-for-one'].includes(value as string) },
};

export interface ActorsParts {
  readonly publisher: Publisher;
  readonly nodeNames: () => readonly string[];
  /** How large the heap of a thread of a node may grow, in MB. */
  readonly heapOf: (node: string) => number | undefined;
  /** ms that the import of a module may take. */
  readonly importTimeout: number;
  /** What modules were when this host first asked for them. */
  readonly versions: CodeVersions;
  readonly output: Output;
  /** Those of other hosts; undefined: there are none. */
  readonly elsewhere: () => Elsewhere | undefined;
}

/** Actors of other hosts. */
export interface Elsewhere {
  /** Whoever has a node of that name; undefined as name: any node. */
  hostOf(node: string | undefined): RemoteHost | undefined;
  spawn<Instance>(reference: ClassReference<Instance, any>, options: SpawnOptions, host: RemoteHost): Promise<ActorRef<Instance>>;
  byName(name: string): ActorRef<any> | undefined;
  namesChanged(): void;
}

export class Actors {
  readonly #parts: ActorsParts;
  readonly #named = new Map<string, ActorRef<any>>();
  readonly #top: Group;

  constructor(parts: ActorsParts) {
    this.#parts = parts;
    this.#top = this.#group('actors', { restart: 'permanent' });
  }

  /** As the root supervisor starts it. */
  async start(givenUp: AbortSignal): Promise<Running> {
    return this.#top.child.start(givenUp);
  }

  /** Ends what is left of them, after the root supervisor has stopped them. */
  end(): void {
    this.#top.end({ reason: 'shutdown' });
  }

  /** @throws `ACTOR_NOT_FOUND` */
  byName(name: string): ActorRef<any> {
    const found = this.#find(name);
    if (found === undefined) throw new HandoffError('ACTOR_NOT_FOUND', `There is no actor ${JSON.stringify(name)}.`);
    return found;
  }

  /** Those of this host that have names. */
  get names(): ActorRef<any>[] {
    return [...this.#named.values()];
  }

  #find(name: string): ActorRef<any> | undefined {
    return this.#named.get(name) ?? this.#parts.elsewhere()?.byName(name);
  }

  /** Passes a function's question on, and the answer back. */
  answer({ actor, method, args, timeout, answer }: Question): void {
    const ref = this.#find(actor);
    const answered = ref === undefined
      ? Promise.reject(new HandoffError('ACTOR_NOT_FOUND', `There is no actor ${JSON.stringify(actor)}.`))
      : (ref.with({ timeout }).ask as Record<string, (...args: readonly unknown[]) => Promise<unknown>>)[method]!(...args);
    if (answer === undefined) return void answered.catch((error: unknown) => this.#lost(actor, method, error));
    answered.then((value) => answer({ ok: true, value }), (error: unknown) => answer({ ok: false, error }));
  }

  #lost(actor: string, method: string, error: unknown): void {
    const { publisher } = this.#parts;
    if (publisher.wants('actor:error')) publisher.publish({ type: 'actor:error', at: timestamp(), actor, method, error });
  }

  /** An actor under a supervisor of its own, so that one that fails again and again takes nobody along. */
  async spawn<Instance>(reference: ClassReference<Instance, any>, options: SpawnOptions): Promise<ActorRef<Instance>> {
    const { maxRestarts, maxSeconds, node } = options;
    const names = this.#parts.nodeNames();
    const host = (node === undefined ? names.length === 0 : !names.includes(node)) ? this.#parts.elsewhere()?.hostOf(node) : undefined;
    if (host !== undefined) {
      checkOptions('spawn', spawnSchema, options);
      return this.#parts.elsewhere()!.spawn(reference, options, host);
    }
    const cell = this.#cell('spawn', reference, options);
    const own = this.#group(`of-${nanoid()}`, { restart: 'temporary', ...(maxRestarts !== undefined && { maxRestarts }), ...(maxSeconds !== undefined && { maxSeconds }) });
    return this.#launch<Instance>(cell, () => this.#top.remove(own.child.id), async () => {
      await this.#top.add(own);
      await own.add(cell);
    });
  }

  async supervise(options: SuperviseOptions, within: Group = this.#top): Promise<ActorGroup> {
    checkOptions('supervise', superviseSchema, options);
    const { name = `group-${nanoid()}`, ...rest } = options;
    const group = this.#group(name, { ...rest, restart: within === this.#top ? 'temporary' : options.restart ?? 'permanent' });
    await within.add(group);
    return {
      name,
      exited: group.exited,
      spawn: async (reference, more = {}) => {
        for (const option of ['maxRestarts', 'maxSeconds'] as const) {
          if (more[option] !== undefined) throw invalidOption('spawn', option, 'left to the group, as its supervisor counts for all of it', more[option]);
        }
        const cell = this.#cell('spawn', reference, more);
        return this.#launch(cell, () => group.remove(cell.child.id), () => group.add(cell));
      },
      supervise: (more = {}) => this.supervise(more, group),
      stop: () => within.remove(name),
    };
  }

  #group(id: string, { strategy = 'one-for-one', restart = 'permanent', maxRestarts, maxSeconds }: SuperviseOptions): Group {
    const { publisher } = this.#parts;
    return new Group({
      id, strategy, restart, ...(maxRestarts !== undefined && { maxRestarts }), ...(maxSeconds !== undefined && { maxSeconds }),
      onRestart: (supervisor, child, { error }) => {
        if (publisher.wants('supervisor:restarted')) publisher.publish({ type: 'supervisor:restarted', at: timestamp(), supervisor, child, error });
      },
    });
  }

  #cell(where: string, reference: unknown, options: SpawnOptions): ActorCell {
    checkOptions(where, spawnSchema, options);
    if (options.mailbox !== undefined) checkOptions(`${where}: mailbox`, mailboxSchema, options.mailbox);
    const code = toReference(reference);
    if (code === undefined || 'source' in code) {
      throw new HandoffError('INVALID_FUNCTION', `${where}: the first argument must be an exported class, as tasks() gives it: t.Classifier.`);
    }
    const names = this.#parts.nodeNames();
    const node = options.node ?? names[0];
    if (node === undefined) throw new HandoffError('NODE_DOWN', 'There is no node to spawn an actor on.');
    if (!names.includes(node)) throw invalidOption(where, 'node', `a node of this host (${names.join(', ')})`, node);
    const { name, args = [], restart = 'permanent', shutdownTimeout = 5000, mailbox = {}, snapshotInterval = 1 } = options;
    if (name !== undefined && this.#find(name) !== undefined) throw invalidOption(where, 'name', 'one that no other actor has', name);
    const id = name ?? nanoid();
    const { output, heapOf, importTimeout, versions } = this.#parts;
    const url = locate(code.module);
    return new ActorCell({
      id, name, args, node, heapMb: heapOf(node), importTimeout, restart, shutdownTimeout, toStderr: output !== 'inherit', snapshotInterval,
      code: { url, module: code.module, export: code.export },
      files: () => (missing(code.module, url) === undefined ? versions.of(url).files : []),
      capacity: mailbox.capacity ?? 10_000, overflow: mailbox.overflow ?? 'reject',
      onLost: (method, error) => this.#lost(id, method, error),
    });
  }

  /** The name is taken from the start, so that nobody else gets it meanwhile. */
  async #launch<Instance>(cell: ActorCell, stop: () => Promise<void>, start: () => Promise<void>): Promise<ActorRef<Instance>> {
    const ref = createRef<Instance>(cell, stop);
    const { name } = cell.options;
    if (name !== undefined) {
      this.#named.set(name, ref);
      this.#parts.elsewhere()?.namesChanged();
      void cell.exited.then(() => {
        if (this.#named.get(name) !== ref) return;
        this.#named.delete(name);
        this.#parts.elsewhere()?.namesChanged();
      });
    }
    try {
      await start();
    } catch (error) {
      cell.end({ reason: 'error', error });
      await stop();
      throw error;
    }
    return ref;
  }
}
