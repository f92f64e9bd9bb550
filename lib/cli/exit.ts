/** How the command ends. */
import { HandoffError, isHandoffError, type ErrorCode } from '../errors.ts';

export const ExitCode = { done: 0, functionFailed: 1, wrongUsage: 2, interrupted: 130, terminated: 143 } as const;

/** The codes of what could not begin: the graph, its code or the options are wrong, or not those of the cluster. */
const refused: readonly ErrorCode[] = [
  'INVALID_OPTION', 'INVALID_FUNCTION', 'DUPLICATE_FUNCTION', 'MISSING_FUNCTION', 'CYCLIC_DEPENDENCY', 'INVALID_INLINE_FUNCTION',
  'INVALID_INPUT_FUNCTION', 'INVALID_COLLOCATION', 'FUNCTION_NOT_FOUND', 'INLINE_CLOSURE', 'NOT_SERIALIZABLE', 'ALLOCATION_ERROR', 'UNAUTHORIZED', 'VERSION_MISMATCH',
];

/** Wrong usage: what was asked for makes no sense, and how to mend it. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export function exitCodeOf(error: unknown): number {
  if (error instanceof UsageError) return ExitCode.wrongUsage;
  return isHandoffError(error) && refused.includes(error.code) ? ExitCode.wrongUsage : ExitCode.functionFailed;
}

/** An error for a person at a terminal: what failed, beneath it why, and the stack where user code is to blame. */
export function describeError(error: unknown): string {
  if (!(error instanceof HandoffError)) return error instanceof UsageError ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error);
  const lines = [`${error.code}: ${error.message}`];
  for (const failure of error.failures?.slice(1) ?? []) lines.push(`${failure.code}: ${failure.message}`);
  const { cause } = error;
  if (cause instanceof Error && cause.stack !== undefined && !(cause instanceof HandoffError)) lines.push(indent(cause.stack));
  return lines.join('\n');
}

function indent(text: string): string {
  return text.split('\n').map((line) => `  ${line}`).join('\n');
}
