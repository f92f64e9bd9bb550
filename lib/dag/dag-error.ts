import { type DagError, type DagErrorCode, type ErrorDetails, HandoffError } from '../core/errors.ts';

/** An error of validation. */
export function dagError(code: DagErrorCode, message: string, details: ErrorDetails): DagError {
  return new HandoffError(code, message, details) as DagError;
}
