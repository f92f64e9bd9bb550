import { HandoffError } from '../core/errors.ts';

/** The error of an append to a run that another process owns by now. */
export function fenced(runId: string): HandoffError {
  return new HandoffError(
    'FENCED',
    `Another process has taken over run ${JSON.stringify(runId)}, because this one seemed to be gone. ` +
      'Nothing more of this process is recorded. Await the run there, or attach to it.',
    { runId },
  );
}
