/** Writes events to any logger with the signature of pino. */
import type { EventType, HandoffEvent } from './events/events.ts';
import { HandoffEmitter } from './runtime/emitter.ts';
import type { Handoff } from './runtime/handoff.ts';
import { oneOf } from './core/option-types.ts';
import { invalidOption, option, optionSet, parseOptions } from './core/options.ts';
import { isRecord } from './core/values.ts';

const levels = ['trace', 'debug', 'info', 'warn', 'error'] as const;

export type LogLevel = (typeof levels)[number];

type Log = (fields: Record<string, unknown>, message: string) => void;

/** A logger with the signature of pino. */
export interface EventLogger {
  trace: Log;
  debug: Log;
  info: Log;
  warn: Log;
  error: Log;
  /** If present, only events that the logger lets through are subscribed to. */
  isLevelEnabled?(level: string): boolean;
  /** If present, the level is checked again on `'level-change'`. */
  on?(event: 'level-change', listener: () => void): unknown;
  off?(event: 'level-change', listener: () => void): unknown;
}

export interface LogOptions {
  /**
   * The lowest level to log; events below it are not subscribed to, even if the logger lets them through. Default
   * `'trace'`.
   */
  readonly level?: LogLevel | undefined;
}

/** `attempts` repeats `function:started` and `function:finished`. */
type LoggedType = Exclude<EventType, 'attempts'>;

const levelOf: Readonly<Record<LoggedType, LogLevel>> = {
  'run:started': 'info',
  'run:resumed': 'info',
  'run:finished': 'info',
  'run:failed': 'error',
  'function:restored': 'trace',
  'function:cached': 'debug',
  'function:ready': 'trace',
  'function:started': 'debug',
  'function:finished': 'debug',
  'function:speculated': 'debug',
  'run:grown': 'debug',
  'function:skipped': 'debug',
  'function:retrying': 'warn',
  'function:failed': 'error',
  'function:log': 'info',
  'function:progress': 'debug',
  'function:memory-exceeded': 'warn',
  'result:stored': 'trace',
  'result:fetched': 'debug',
  'result:lost': 'warn',
  'result:recomputing': 'warn',
  'spill:failed': 'error',
  'node:up': 'info',
  'node:name-conflict': 'error',
  'connection:refused': 'warn',
  'node:down': 'warn',
  'node:capabilities-changed': 'info',
  'probe:failed': 'error',
  'worker:crashed': 'error',
  'worker:blocked': 'warn',
  'worker:restarted': 'info',
  'actor:error': 'error',
  'supervisor:restarted': 'warn',
};

export const logSchema = optionSet({
  level: option(oneOf(...levels), {
    description:
      'The lowest level to log; events below it are not subscribed to, even if the logger lets them through.',
    default: 'trace',
  }),
});

/**
 * Writes events to a logger. The message is the type; the fields are those of the event, with its error under `err`.
 * Only events that the logger lets through are subscribed to, so that with pino at `'info'` successful functions cost
 * nothing.
 *
 * Levels: `error` for failures of runs and functions and for crashed threads; `warn` for retries, lost results and
 * nodes that go down; `info` for runs, nodes and logs of functions; `debug` for starts and ends of functions; `trace`
 * for everything.
 *
 * @param handoff whose events are logged
 * @param logger such as pino's
 * @param options `level`: the lowest level to log; default `'trace'`
 * @returns a function that stops the logging
 * @throws INVALID_OPTION if the logger lacks a method or the level is unknown
 * @example
 * ```ts
 * import { pino } from 'pino';
 *
 * const stop = logEvents(handoff, pino());
 * ```
 */
export function logEvents(handoff: Handoff, logger: EventLogger, options: LogOptions = {}): () => void {
  if (!(handoff instanceof HandoffEmitter)) throw invalidOption('logEvents', 'handoff', 'a Handoff', handoff);
  if (!isRecord(logger) || !levels.every((level) => typeof logger[level] === 'function')) {
    throw invalidOption('logEvents', 'logger', `a logger such as pino's, with ${levels.join(', ')}`, logger);
  }
  const least = levels.indexOf(parseOptions('logEvents', logSchema, options).level);
  const write = (event: HandoffEvent): void => {
    const { type, ...fields } = event as Exclude<HandoffEvent, { type: 'attempts' }>;
    const { error, ...others } = fields as { readonly error?: unknown };
    logger[levelOf[type]]({ ...others, ...('error' in fields && { err: error }) }, type);
  };
  const listen = (): void => {
    for (const [type, level] of Object.entries(levelOf) as [LoggedType, LogLevel][]) {
      handoff.off(type, write);
      if (levels.indexOf(level) >= least && (logger.isLevelEnabled?.(level) ?? true)) handoff.on(type, write);
    }
  };
  listen();
  logger.on?.('level-change', listen);
  return () => {
    logger.off?.('level-change', listen);
    for (const type of Object.keys(levelOf) as LoggedType[]) handoff.off(type, write);
  };
}
