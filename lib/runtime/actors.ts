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
import type { Question } from '../workers/node/thread-messages.ts';
import type { Output } from '../workers/node/wire.ts';
import { timestamp } from '../events/events.ts';
import { locate, missing } from '../workers/code/locate.ts';
import type { CodeVersions } from '../workers/code/versions.ts';
import type { Publisher } from '../engine/event-publisher.ts';
import { checkOptions, invalidOption, isAmount, type Rule, rules, type Schema } from '../core/schema.ts';

/** How many restarts a supervisor allows within a time window before it gives up. */
interface IntensityOptions {
  /** Restarts allowed within `maxSeconds`. Default 3. */
  readonly maxRestarts?: number;
  /** Length of the window in seconds. Default 5. */
  readonly maxSeconds?: number;
}

export interface SpawnOptions<Args extends readonly unknown[] = readonly unknown[]> extends IntensityOptions {
  /** Arguments of the constructor. Default none. */
  readonly args?: Args | undefined;
  /** The node whose host runs the actor. Default: the first node of this host. */
  readonly node?: string | undefined;
  /** A unique name, by which `handoff.actor(name)` and `context.ask` find the actor. Default none. */
  readonly name?: string | undefined;
  /**
   * When the actor is restarted: `'permanent'` (default) always, `'transient'` only after an error, `'temporary'`
   * never.
   */
  readonly restart?: Restart | undefined;
  /** How long a stop waits for the messages already received, in ms. Default 5000. */
  readonly shutdownTimeout?: number | undefined;
  /**
   * `capacity`: how many messages may wait. Default 10,000. `overflow`: whether a full mailbox rejects the new message
   * (`'reject'`, default) or drops the oldest one (`'drop-oldest'`).
   */
  readonly mailbox?: { readonly capacity?: number; readonly overflow?: Overflow } | undefined;
  /**
   * `snapshot()` is called after this many messages, if the class has it. Default 1: no acknowledged change is lost.
   */
  readonly snapshotInterval?: number | undefined;
}

export interface SuperviseOptions extends IntensityOptions {
  /** The name in the supervision tree. Default: a generated one. */
  readonly name?: string | undefined;
  /** Which other actors restart together with one that failed. Default `'one-for-one'`. */
  readonly strategy?: Strategy | undefined;
  /** When the parent group restarts this group. Default `'permanent'`. A top-level group that gives up stays down. */
  readonly restart?: Restart | undefined;
}

/** Actors under their own supervisor. */
export interface ActorGroup {
  readonly name: string;
  /** Resolves with the reason when the group has ended for good. */
  readonly exited: Promise<Exit>;
  /**
   * Like `Handoff.spawn`, under this supervisor. `maxRestarts` and `maxSeconds` belong to the group and are refused
   * here.
   */
  spawn<Instance, Args extends readonly unknown[]>(
    reference: ClassReference<Instance, Args>,
    options?: SpawnOptions<Args>,
  ): Promise<ActorRef<Instance>>;
  /** A nested group. When it gives up, this group's strategy applies. */
  supervise(options?: SuperviseOptions): Promise<ActorGroup>;
  /** Stops all actors of the group in reverse order of their start. */
  stop(): Promise<void>;
}

const restartRule: Rule = {
  expected: "'permanent', 'transient' or 'temporary'",
  holds: (value) => ['permanent', 'transient', 'temporary'].includes(value as string),
};
const nameRule: Rule = {
  expected: 'a string that is not empty',
  holds: (value) => typeof value === 'string' && value !== '',
};
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
  node: nameRule,
  name: nameRule,
  restart: restartRule,
  shutdownTimeout: rules.milliseconds,
  snapshotInterval: rules.atLeastOne,
  mailbox: {
    expected: 'an object with capacity and overflow',
    holds: (value) => typeof value === 'object' && value !== null,
  },
};
const superviseSchema: Schema<SuperviseOptions> = {
  ...intensitySchema,
  name: nameRule,
  restart: restartRule,
  strategy: {
    expected: "'one-for-one', 'one-for-all' or 'rest-for-one'",
    holds: (value) => ['one-for-one', 'one-for-all', 'rest-for-one'].includes(value as string),
  },
};

export interface ActorsParts {
  readonly publisher: Publisher;
  readonly nodeNames: () => readonly string[];
  /** The heap limit of the threads of a node, in MB. */
  readonly heapOf: (node: string) => number | undefined;
  /** Time limit for the import of a module, in ms. */
  readonly importTimeout: number;
  /** The module versions that this host uses. */
  readonly versions: CodeVersions;
  readonly output: Output;
  /** Actors of other hosts; undefined without a transport. */
  readonly elsewhere: () => Elsewhere | undefined;
}

/** Actors of other hosts. */
export interface Elsewhere {
  /** The host of this node, or any host with a node if the name is undefined. */
  hostOf(node: string | undefined): RemoteHost | undefined;
  spawn<Instance>(
    reference: ClassReference<Instance, any>,
    options: SpawnOptions,
    host: RemoteHost,
  ): Promise<ActorRef<Instance>>;
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

  /** Called by the root supervisor. */
  async start(givenUp: AbortSignal): Promise<Running> {
    return this.#top.child.start(givenUp);
  }

  /** Ends the actors that remain after the root supervisor has stopped. */
  end(): void {
    this.#top.end({ reason: 'shutdown' });
  }

  /** @throws `ACTOR_NOT_FOUND` */
  byName(name: string): ActorRef<any> {
    const found = this.#find(name);
    if (found === undefined) throw new HandoffError('ACTOR_NOT_FOUND', `There is no actor ${JSON.stringify(name)}.`);
    return found;
  }

  /** The named actors of this host. */
  get names(): ActorRef<any>[] {
    return [...this.#named.values()];
  }

  #find(name: string): ActorRef<any> | undefined {
    return this.#named.get(name) ?? this.#parts.elsewhere()?.byName(name);
  }

  /** Forwards a question from a function to an actor, and returns the answer. */
  answer({ actor, method, args, timeout, answer }: Question): void {
    const ref = this.#find(actor);
    const answered =
      ref === undefined
        ? Promise.reject(new HandoffError('ACTOR_NOT_FOUND', `There is no actor ${JSON.stringify(actor)}.`))
        : (ref.with({ timeout }).ask as Record<string, (...args: readonly unknown[]) => Promise<unknown>>)[method]!(
            ...args,
          );
    if (answer === undefined) return void answered.catch((error: unknown) => this.#lost(actor, method, error));
    answered.then(
      (value) => answer({ ok: true, value }),
      (error: unknown) => answer({ ok: false, error }),
    );
  }

  #lost(actor: string, method: string, error: unknown): void {
    const { publisher } = this.#parts;
    if (publisher.wants('actor:error'))
      publisher.publish({ type: 'actor:error', at: timestamp(), actor, method, error });
  }

  /** Each actor gets its own supervisor, so that one that keeps failing does not affect others. */
  async spawn<Instance>(reference: ClassReference<Instance, any>, options: SpawnOptions): Promise<ActorRef<Instance>> {
    const { maxRestarts, maxSeconds, node } = options;
    const names = this.#parts.nodeNames();
    const host = (node === undefined ? names.length === 0 : !names.includes(node))
      ? this.#parts.elsewhere()?.hostOf(node)
      : undefined;
    if (host !== undefined) {
      checkOptions('spawn', spawnSchema, options);
      return this.#parts.elsewhere()!.spawn(reference, options, host);
    }
    const cell = this.#cell('spawn', reference, options);
    const own = this.#group(`of-${nanoid()}`, {
      restart: 'temporary',
      ...(maxRestarts !== undefined && { maxRestarts }),
      ...(maxSeconds !== undefined && { maxSeconds }),
    });
    return this.#launch<Instance>(
      cell,
      () => this.#top.remove(own.child.id),
      async () => {
        await this.#top.add(own);
        await own.add(cell);
      },
    );
  }

  async supervise(options: SuperviseOptions, within: Group = this.#top): Promise<ActorGroup> {
    checkOptions('supervise', superviseSchema, options);
    const { name = `group-${nanoid()}`, ...rest } = options;
    const group = this.#group(name, {
      ...rest,
      restart: within === this.#top ? 'temporary' : (options.restart ?? 'permanent'),
    });
    await within.add(group);
    return {
      name,
      exited: group.exited,
      spawn: async (reference, more = {}) => {
        for (const option of ['maxRestarts', 'maxSeconds'] as const) {
          if (more[option] !== undefined)
            throw invalidOption(
              'spawn',
              option,
              'left out: the group counts the restarts of all its actors',
              more[option],
            );
        }
        const cell = this.#cell('spawn', reference, more);
        return this.#launch(
          cell,
          () => group.remove(cell.child.id),
          () => group.add(cell),
        );
      },
      supervise: (more = {}) => this.supervise(more, group),
      stop: () => within.remove(name),
    };
  }

  #group(
    id: string,
    { strategy = 'one-for-one', restart = 'permanent', maxRestarts, maxSeconds }: SuperviseOptions,
  ): Group {
    const { publisher } = this.#parts;
    return new Group({
      id,
      strategy,
      restart,
      ...(maxRestarts !== undefined && { maxRestarts }),
      ...(maxSeconds !== undefined && { maxSeconds }),
      onRestart: (supervisor, child, { error }) => {
        if (publisher.wants('supervisor:restarted'))
          publisher.publish({ type: 'supervisor:restarted', at: timestamp(), supervisor, child, error });
      },
    });
  }

  #cell(where: string, reference: unknown, options: SpawnOptions): ActorCell {
    checkOptions(where, spawnSchema, options);
    if (options.mailbox !== undefined) checkOptions(`${where}: mailbox`, mailboxSchema, options.mailbox);
    const code = toReference(reference);
    if (code === undefined || 'source' in code) {
      throw new HandoffError(
        'INVALID_FUNCTION',
        `${where}: the first argument must be an exported class, as tasks() gives it: t.Classifier.`,
      );
    }
    const names = this.#parts.nodeNames();
    const node = options.node ?? names[0];
    if (node === undefined) throw new HandoffError('NODE_DOWN', 'There is no node to spawn an actor on.');
    if (!names.includes(node)) throw invalidOption(where, 'node', `a node of this host (${names.join(', ')})`, node);
    const {
      name,
      args = [],
      restart = 'permanent',
      shutdownTimeout = 5000,
      mailbox = {},
      snapshotInterval = 1,
    } = options;
    if (name !== undefined && this.#find(name) !== undefined)
      throw invalidOption(where, 'name', 'a name that no other actor has', name);
    const id = name ?? nanoid();
    const { output, heapOf, importTimeout, versions } = this.#parts;
    const url = locate(code.module);
    return new ActorCell({
      id,
      name,
      args,
      node,
      heapMb: heapOf(node),
      importTimeout,
      restart,
      shutdownTimeout,
      toStderr: output !== 'inherit',
      snapshotInterval,
      code: { url, module: code.module, export: code.export },
      files: () => (missing(code.module, url) === undefined ? versions.of(url).files : []),
      capacity: mailbox.capacity ?? 10_000,
      overflow: mailbox.overflow ?? 'reject',
      onLost: (method, error) => this.#lost(id, method, error),
    });
  }

  /** The name is reserved before the start, so that no other actor can take it meanwhile. */
  async #launch<Instance>(
    cell: ActorCell,
    stop: () => Promise<void>,
    start: () => Promise<void>,
  ): Promise<ActorRef<Instance>> {
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
