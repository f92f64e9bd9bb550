/** Why a module cannot be used, as the error that users get. */
import { HandoffError } from '../../core/errors.ts';

/** @param limit in ms */
export function importTooSlow(module: string, limit: number): HandoffError {
  return new HandoffError('MODULE_FAILED', `The import of module ${module} did not end within ${limit} ms. Move work out of the top level of the module, or raise the option importTimeout of Handoff.start.`, { module, timeout: limit });
}

/** @param cause what the import threw */
export function moduleError(module: string, _url: string, cause: unknown): HandoffError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new HandoffError('FUNCTION_NOT_FOUND', `Module ${module} cannot be imported: ${why}`, { module, cause });
}
