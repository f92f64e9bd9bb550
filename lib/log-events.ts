/** Events as log lines, for any logger that is called as pino is. */
import type { EventType, HandoffEvent } from './events/events.ts';
import { HandoffEmitter } from './runtime/emitter.ts';
import type { Handoff } from './runtime/handoff.ts';
import { checkOptions, invalidOption, isRecord } from './core/schema.ts';

const levels = ['trace', 'debug', 'info', 'warn', 'error'] as const;

export type LogLevel = (typeof levels)[number];

type Log = (fields: Record<string, unknown>, message: string) => void;

/** pino's signature. */
export interface EventLogger {
  trace: Log;
  debug: Log;
  info: Log;
  warn: Log;
  error: Log;
  /** Where it is there, only events are asked for that it lets through. */
  isLevelEnabled?(level: string): boolean;
  /** Where it is there, it is looked at again when `'level-change'` is told. */
  on?(event: 'level-change', listener: () => void): unknown;
  off?(event: 'level-change', listener: () => void): unknown;
}

export interface LogOptions {
  /** Events below it are not asked for, whatever the logger lets through. Default `'trace'`. */
  readonly level?: LogLevel | undefined;
}

/** `attempts` says once more what `function:started` and `function:finished` do. */
type LoggedType = Exclude<EventType, 'attempts'>;

const levelOf: Readonly<Record<LoggedType, LogLevel>> = {
  'run:started': 'info', 'run:finished': 'info', 'run:failed': 'error',
  'function:ready': 'trace', 'function:started': 'debug', 'function:finished': 'debug', 'function:speculated': 'debug', 'function:retrying': 'warn', 'function:failed': 'error',
  'function:log': 'info', 'function:memory-exceeded': 'warn',
  'result:stored': 'trace', 'result:fetched': 'debug', 'result:lost': 'warn', 'result:recomputing': 'warn', 'spill:failed': 'error',
  'node:up': 'info', 'node:name-conflict': 'error', 'connection:refused': 'warn', 'node:down': 'warn', 'node:capabilities-changed': 'info', 'probe:failed': 'error',
  'worker:crashed': 'error', 'worker:restarted': 'info', 'actor:error': 'error', 'supervisor:restarted': 'warn',
};

const schema = { level: { expected: levels.map((level) => `'${level}'`).join(', '), holds: (value: unknown) => levels.includes(value as LogLevel) } };

/**
 * Writes events to a logger: the message is the type, the fields are those of the event, its error under `err`. Only events that the logger
 * lets through are asked for, so that with pino at `'info'` functions that succeed cost nothing.
 *
 * ```ts
 * import { pino } from 'pino';
 *
 * const stop = logEvents(handoff, pino());
 * ```
 *
 * `error`: failures of runs and functions, crashes of threads; `warn`: retries, lost results, nodes that go; `info`: runs, nodes, what
 * functions log; `debug`: functions as they begin and end; `trace`: everything.
 *
 * @returns ends it
 * @throws `INVALID_OPTION`
 */
export function logEvents(handoff: Handoff, logger: EventLogger, options: LogOptions = {}): () => void {
  if (!(handoff instanceof HandoffEmitter)) throw invalidOption('logEvents', 'handoff', 'a Handoff', handoff);
  if (!isRecord(logger) || !levels.every((level) => typeof logger[level] === 'function')) {
    throw invalidOption('logEvents', 'logger', `a logger such as pino's, with ${levels.join(', ')}`, logger);
  }
  checkOptions('logEvents', schema, options);
  const least = levels.indexOf(options.level ?? 'trace');
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
