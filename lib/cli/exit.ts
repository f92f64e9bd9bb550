/** Exit codes, and how the command prints errors. */
import { HandoffError, isHandoffError, type ErrorCode } from '../core/errors.ts';
import { userStackOf } from '../core/user-stack.ts';
import { flagsGiven } from './flags/option-flags.ts';
import { printableLines } from './output/printable.ts';

export const ExitCode = {
  done: 0,
  functionFailed: 1,
  wrongUsage: 2,
  hungUp: 129,
  interrupted: 130,
  terminated: 143,
} as const;

/**
 * Codes of errors that keep a run from starting: the graph, its code or the options are invalid, or do not match the
 * cluster.
 */
const refused: readonly ErrorCode[] = [
  'INVALID_OPTION',
  'INVALID_FUNCTION',
  'DUPLICATE_FUNCTION',
  'MISSING_FUNCTION',
  'CYCLIC_DEPENDENCY',
  'INVALID_INLINE_FUNCTION',
  'INVALID_INPUT_FUNCTION',
  'INVALID_COLLOCATION',
  'FUNCTION_NOT_FOUND',
  'MODULE_FAILED',
  'INLINE_CLOSURE',
  'NOT_SERIALIZABLE',
  'ALLOCATION_ERROR',
  'UNAUTHORIZED',
  'VERSION_MISMATCH',
];

/** Wrong usage. The message says what was wrong and how to fix it. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** The work succeeded but its output cannot be written. The message names the flag and the path. */
export class OutputError extends Error {
  override readonly name = 'OutputError';
}

export function exitCodeOf(error: unknown): number {
  if (error instanceof UsageError) return ExitCode.wrongUsage;
  return isHandoffError(error) && refused.includes(error.code) ? ExitCode.wrongUsage : ExitCode.functionFailed;
}

/** Formats an error for a terminal: what failed, the reason below it, and the stack if user code threw. */
export function describeError(error: unknown): string {
  if (!(error instanceof HandoffError))
    return printableLines(
      error instanceof UsageError || error instanceof OutputError
        ? error.message
        : error instanceof Error
          ? (error.stack ?? error.message)
          : String(error),
    );
  const lines = [error, ...(error.failures?.slice(1) ?? [])].map(({ code, message }) =>
    printableLines(`${code}: ${message}`),
  );
  const flags = error.code === 'INVALID_OPTION' ? flagsGiven(error.option) : [];
  if (flags.length > 0) lines.push(`  Given by ${flags.join(' and ')}.`);
  const why = reasonOf(error);
  return (why === undefined ? lines : [...lines, `  ${printableLines(why).replaceAll('\n', '\n  ')}`]).join('\n');
}

/** The reason for an error: the stack of user code, or the cause if the message does not contain it. */
function reasonOf({ cause, message, functionId, module }: HandoffError): string | undefined {
  if (!(cause instanceof Error) || cause instanceof HandoffError) return undefined;
  if (functionId !== undefined || module !== undefined)
    return cause.stack === undefined ? cause.message : userStackOf(cause.stack);
  const { code } = cause as { readonly code?: unknown };
  const isSaid = message.includes(cause.message) || (typeof code === 'string' && message.includes(code));
  return isSaid ? undefined : cause.message;
}
