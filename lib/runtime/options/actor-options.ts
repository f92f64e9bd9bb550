/** The options of `spawn` and `supervise`. */
import { number, milliseconds, oneOf, special, text, whole } from '../../core/option-types.ts';
import { option, optionSet } from '../../core/options.ts';
import type { Overflow } from '../../workers/actor/mailbox.ts';
import type { Restart, Strategy } from '../../workers/supervision/child.ts';

/** How many restarts a supervisor allows within a time window before it gives up. */
interface IntensityOptions {
  /** Restarts allowed within `maxSeconds`. Default: 3. */
  readonly maxRestarts?: number | undefined;
  /** Length of the window, in s. Default: 5 s. */
  readonly maxSeconds?: number | undefined;
}

export interface MailboxOptions {
  /** How many messages may wait. Default 10000. */
  readonly capacity?: number | undefined;
  /**
   * Whether a full mailbox rejects the new message (`'reject'`) or drops the oldest one (`'drop-oldest'`). Default
   * `'reject'`.
   */
  readonly overflow?: Overflow | undefined;
}

export interface SpawnOptions<Args extends readonly unknown[] = readonly unknown[]> extends IntensityOptions {
  /** Arguments of the constructor. */
  readonly args?: Args | undefined;
  /** The node whose host runs the actor. Default: the first node of this host. */
  readonly node?: string | undefined;
  /** A unique name, by which `handoff.actor(name)` and `context().actor(name)` find the actor. */
  readonly name?: string | undefined;
  /**
   * When the actor is restarted: `'permanent'`: always, `'transient'`: only after an error, `'temporary'`: never.
   * Default `'permanent'`.
   */
  readonly restart?: Restart | undefined;
  /** How long a stop waits for the messages already received, in ms. Default 5,000 ms. */
  readonly shutdownTimeout?: number | undefined;
  /** How many messages may wait, and what happens to more. */
  readonly mailbox?: MailboxOptions | undefined;
  /**
   * `snapshot()` is called after this many messages, if the class has it. With 1, no acknowledged change is lost.
   * Default 1.
   */
  readonly snapshotInterval?: number | undefined;
}

export interface SuperviseOptions extends IntensityOptions {
  /** The name in the supervision tree. Default: a generated one. */
  readonly name?: string | undefined;
  /** Which other actors restart together with one that failed. Default: `'one-for-one'`. */
  readonly strategy?: Strategy | undefined;
  /** When the parent group restarts this group. A top-level group that gives up stays down. Default: `'permanent'`. */
  readonly restart?: Restart | undefined;
}

const intensity = {
  maxRestarts: option(whole(), { description: 'Restarts allowed within `maxSeconds`.', otherwise: '3' }),
  maxSeconds: option(number({ unit: 's', above: 0 }), { description: 'Length of the window', otherwise: '5 s' }),
};

const restart = oneOf('permanent', 'transient', 'temporary');

export const mailboxSchema = optionSet({
  capacity: option(whole({ min: 1, orInfinity: true }), {
    description: 'How many messages may wait.',
    default: 10_000,
  }),
  overflow: option(oneOf('reject', 'drop-oldest'), {
    description:
      "Whether a full mailbox rejects the new message (`'reject'`) or drops the oldest one (`'drop-oldest'`).",
    default: 'reject',
  }),
});

export const spawnSchema = optionSet({
  ...intensity,
  args: option(special<readonly unknown[]>(Array.isArray, 'a list of arguments for the constructor'), {
    description: 'Arguments of the constructor.',
    default: [],
  }),
  node: option(text(), {
    description: 'The node whose host runs the actor.',
    otherwise: 'the first node of this host',
  }),
  name: option(text(), {
    description: 'A unique name, by which `handoff.actor(name)` and `context().actor(name)` find the actor.',
  }),
  restart: option(restart, {
    description:
      "When the actor is restarted: `'permanent'`: always, `'transient'`: only after an error, `'temporary'`: never.",
    default: 'permanent',
  }),
  shutdownTimeout: option(milliseconds, {
    description: 'How long a stop waits for the messages already received',
    default: 5000,
  }),
  mailbox: option(mailboxSchema, { description: 'How many messages may wait, and what happens to more.', default: {} }),
  snapshotInterval: option(whole({ min: 1, orInfinity: true }), {
    description: '`snapshot()` is called after this many messages, if the class has it.',
    details: 'With 1, no acknowledged change is lost.',
    default: 1,
  }),
});

export const superviseSchema = optionSet({
  ...intensity,
  name: option(text(), { description: 'The name in the supervision tree.', otherwise: 'a generated one' }),
  strategy: option(oneOf('one-for-one', 'one-for-all', 'rest-for-one'), {
    description: 'Which other actors restart together with one that failed.',
    otherwise: "`'one-for-one'`",
  }),
  restart: option(restart, {
    description: 'When the parent group restarts this group.',
    details: 'A top-level group that gives up stays down.',
    otherwise: "`'permanent'`",
  }),
});
