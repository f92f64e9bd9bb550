/** User actors: spawned, found by name, supervised in groups. */
import { nanoid } from 'nanoid/non-secure';
import type { Exit, Running } from '../../workers/supervision/child.ts';
import { ActorCell } from '../../workers/actor/cell.ts';
import { Group } from '../../workers/actor/group.ts';
import { type ActorRef, createRef } from '../../workers/actor/ref.ts';
import type { RemoteHost } from '../../hosts/cluster/remote-host.ts';
import { toReference } from '../../dag/code.ts';
import type { ClassReference } from '../../dag/task.ts';
import { HandoffError } from '../../core/errors.ts';
import type { Question } from '../../workers/node/thread-messages.ts';
import type { Output } from '../../workers/node/wire.ts';
import { timestamp } from '../../events/events.ts';
import { locate, missing } from '../../workers/code/locate.ts';
import type { CodeVersions } from '../../workers/code/versions.ts';
import type { Publisher } from '../../engine/event-publisher.ts';
import { invalidOption, parseOptions } from '../../core/options.ts';
import { spawnSchema, type SpawnOptions, superviseSchema, type SuperviseOptions } from '../options/actor-options.ts';
import { heapLimit } from '../../workers/node/thread-pool.ts';
import type { LocalNodes } from '../local-nodes.ts';
import { restartsTo } from '../restart-events.ts';

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

export interface ActorsParts {
  readonly publisher: Publisher;
  /** The nodes of this host. */
  readonly nodes: Pick<LocalNodes, 'names' | 'get'>;
  /** Time limit for the import of a module, in ms. */
  readonly importTimeout: number;
  /** The module versions that this host uses. */
  readonly versions: CodeVersions;
  readonly output: Output;
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
  /** Undefined without a transport. */
  #elsewhere: Elsewhere | undefined;

  constructor(parts: ActorsParts) {
    this.#parts = parts;
    this.#top = this.#group('actors', { restart: 'permanent' });
  }

  /** Makes actors of other hosts known here. */
  connect(elsewhere: Elsewhere): void {
    this.#elsewhere = elsewhere;
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
    if (found === undefined)
      throw new HandoffError(
        'ACTOR_NOT_FOUND',
        `There is no actor ${JSON.stringify(name)}. Spawn it first, or check its name.`,
      );
    return found;
  }

  /** The named actors of this host. */
  get names(): ActorRef<any>[] {
    return [...this.#named.values()];
  }

  #find(name: string): ActorRef<any> | undefined {
    return this.#named.get(name) ?? this.#elsewhere?.byName(name);
  }

  /** Forwards a question from a function to an actor, and returns the answer. */
  answer({ actor, method, args, timeout, answer }: Question): void {
    const ref = this.#find(actor);
    const answered =
      ref === undefined
        ? Promise.reject(
            new HandoffError(
              'ACTOR_NOT_FOUND',
              `There is no actor ${JSON.stringify(actor)}. Spawn it first, or check its name.`,
            ),
          )
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
    const names = this.#parts.nodes.names;
    const host = (node === undefined ? names.length === 0 : !names.includes(node))
      ? this.#elsewhere?.hostOf(node)
      : undefined;
    if (host !== undefined) {
      parseOptions('spawn', spawnSchema, options);
      return this.#elsewhere!.spawn(reference, options, host);
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
    parseOptions('supervise', superviseSchema, options);
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
    return new Group({
      id,
      strategy,
      restart,
      ...(maxRestarts !== undefined && { maxRestarts }),
      ...(maxSeconds !== undefined && { maxSeconds }),
      onRestart: restartsTo(this.#parts.publisher),
    });
  }

  #cell(where: string, reference: unknown, options: SpawnOptions): ActorCell {
    const { name, args, restart, shutdownTimeout, mailbox, snapshotInterval, ...given } = parseOptions(
      where,
      spawnSchema,
      options,
    );
    const code = toReference(reference);
    if (code === undefined || 'source' in code) {
      throw new HandoffError(
        'INVALID_FUNCTION',
        `${where}: the first argument must be an exported class, as tasks() gives it: t.Classifier.`,
      );
    }
    const names = this.#parts.nodes.names;
    const node = given.node ?? names[0];
    if (node === undefined)
      throw new HandoffError('NODE_DOWN', 'There is no node to spawn an actor on. Add one with registerNode.');
    if (!names.includes(node)) throw invalidOption(where, 'node', `a node of this host (${names.join(', ')})`, node);
    if (name !== undefined && this.#find(name) !== undefined)
      throw invalidOption(where, 'name', 'a name that no other actor has', name);
    const id = name ?? nanoid();
    const { output, nodes, importTimeout, versions } = this.#parts;
    const url = locate(code.module);
    return new ActorCell({
      id,
      name,
      args,
      node,
      heapMb: heapLimit(nodes.get(node)!.settings.capabilities['memory']),
      importTimeout,
      restart,
      shutdownTimeout,
      toStderr: output !== 'inherit',
      snapshotInterval,
      code: { url, module: code.module, export: code.export },
      files: () => (missing(code.module, url) === undefined ? versions.of(url).files : []),
      ...mailbox,
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
      this.#elsewhere?.namesChanged();
      void cell.exited.then(() => {
        if (this.#named.get(name) !== ref) return;
        this.#named.delete(name);
        this.#elsewhere?.namesChanged();
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
