/** How the command ends. */
import { HandoffError, isHandoffError, type ErrorCode } from '../core/errors.ts';
import { printableLines } from './printable.ts';

export const ExitCode = { done: 0, functionFailed: 1, wrongUsage: 2, hungUp: 129, interrupted: 130, terminated: 143 } as const;

/** The codes of what could not begin: the graph, its code or the options are wrong, or not those of the cluster. */
const refused: readonly ErrorCode[] = [
  'INVALID_OPTION', 'INVALID_FUNCTION', 'DUPLICATE_FUNCTION', 'MISSING_FUNCTION', 'CYCLIC_DEPENDENCY', 'INVALID_INLINE_FUNCTION',
  'INVALID_INPUT_FUNCTION', 'INVALID_COLLOCATION', 'FUNCTION_NOT_FOUND', 'MODULE_FAILED', 'INLINE_CLOSURE', 'NOT_SERIALIZABLE', 'ALLOCATION_ERROR', 'UNAUTHORIZED', 'VERSION_MISMATCH',
];

/** Wrong usage: what was asked for makes no sense, and how to mend it. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** What was asked for was done, but cannot be written. Says where to, by flag and path. */
export class OutputError extends Error {
  override readonly name = 'OutputError';
}

export function exitCodeOf(error: unknown): number {
  if (error instanceof UsageError) return ExitCode.wrongUsage;
  return isHandoffError(error) && refused.includes(error.code) ? ExitCode.wrongUsage : ExitCode.functionFailed;
}

/** An error for a person at a terminal: what failed, beneath it why, and the stack where user code is to blame. */
export function describeError(error: unknown): string {
  if (!(error instanceof HandoffError)) return printableLines(error instanceof UsageError || error instanceof OutputError ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error));
  const told = [error, ...(error.failures?.slice(1) ?? [])].map(({ code, message }) => printableLines(`${code}: ${message}`));
  const why = reasonOf(error);
  return (why === undefined ? told : [...told, `  ${printableLines(why).replaceAll('\n', '\n  ')}`]).join('\n');
}

/** Of code of the user where it went wrong; of anything else what it is, if that has not been said. */
function reasonOf({ cause, message, functionId, module }: HandoffError): string | undefined {
  if (!(cause instanceof Error) || cause instanceof HandoffError) return undefined;
  if (functionId !== undefined || module !== undefined) return cause.stack ?? cause.message;
  return message.includes(cause.message) ? undefined : cause.message;
}
