/** Converts failures known to the scheduler into the errors that users get. */
import type { FunctionFailure, Failure, Outcome } from '../scheduling/scheduler/outcome.ts';
import type { Run, State } from '../scheduling/scheduler/state.ts';
import { formatAmounts } from '../scheduling/resources/amounts.ts';
import { checkFit } from '../scheduling/resources/feasibility.ts';
import { type ErrorWire, fromErrorWire, textOf } from '../core/error-wire.ts';
import { HandoffError, isHandoffError } from '../core/errors.ts';
import { idsOf } from './run-ids.ts';

/** The cause of a failed attempt. */
export function causeOf(functionId: string, failure: Failure): unknown {
  switch (failure.kind) {
    case 'thrown':
      return fromErrorWire(failure.error as ErrorWire);
    case 'timeout':
      return new HandoffError(
        'FUNCTION_TIMEOUT',
        `The attempt took longer than its timeout of ${failure.ms} ms. Raise the timeout, or do less in one function.`,
        {
          timeout: failure.ms,
        },
      );
    case 'crash': {
      const { reason, exitCode, error } = failure.crash;
      if (reason === 'import' && error !== undefined) return error;
      if (reason === 'unreadable')
        return new HandoffError('NOT_SERIALIZABLE', `The result cannot be read outside its thread: ${textOf(error)}`, {
          path: 'result',
          ...(error !== undefined && { cause: error }),
        });
      const how = {
        exit: `the worker thread exited with code ${exitCode}. Let functions return or throw instead of calling process.exit()`,
        uncaught: `an error was not caught, of this function or of one that ran earlier in that thread: ${textOf(error)}. Await every promise, and handle every 'error' event`,
        'out-of-memory':
          'the worker thread ran out of memory. Raise resourceLimits.maxOldGenerationSizeMb of the node, or give functions smaller inputs',
        killed: 'the worker thread was ended',
        import: 'the worker thread ended while it imported a module',
      }[reason];
      return new HandoffError('WORKER_CRASHED', `The function's worker thread died while it ran: ${how}.`, {
        reason,
        ...(exitCode !== undefined && { exitCode }),
        ...(error !== undefined && { cause: error }),
      });
    }
    case 'aborted':
      return failure.reason;
    case 'list':
      return fromErrorWire(failure.error as ErrorWire);
    case 'too-many':
      return new HandoffError(
        'TOO_MANY_FUNCTIONS',
        `Function ${JSON.stringify(functionId)}: with what this function adds, the run would have ${failure.count} functions, ` +
          `and maxFunctions allows ${failure.limit}. Raise maxFunctions, or let each function do more.`,
        { functionId },
      );
    case 'too-deep':
      return new HandoffError(
        'TOO_MANY_FUNCTIONS',
        `Function ${JSON.stringify(functionId)} answered with a graph inside of ${failure.limit} others, which is the limit. ` +
          'Expand less deeply: let one graph do more.',
        { functionId },
      );
    case 'too-large':
      return checkFit(functionId, failure.need, undefined, failure.offers);
    case 'lost':
      return new HandoffError(
        'RESULT_LOST',
        failure.times > failure.limit
          ? `Its result was lost ${count(failure.times)}, and maxResultLosses allows ${failure.limit}: hosts or disks lose results again and again.`
          : 'Its result was lost, and cannot be made again: a function that it depends on has failed since.',
      );
    case 'begun':
      return new HandoffError('NODE_DOWN', beganOn(failure), { node: failure.node });
    case 'node-down':
      return new HandoffError(
        'NODE_DOWN',
        `Node ${failure.node} is gone, and no other can take its place. Start another node that has what the function needs.`,
        {
          node: failure.node,
        },
      );
  }
}

/**
 * The error with which a run rejects.
 *
 * @param results returns the existing results, for runs that continued after a failure
 */
export function toRunError(
  state: State,
  run: Run,
  outcome: Outcome,
  results: () => Readonly<Record<string, unknown>>,
): unknown {
  switch (outcome.kind) {
    case 'aborted':
      return outcome.reason;
    case 'misplaced':
      return outcome.error;
    case 'refused':
      return refused(run, outcome.index, outcome.error);
    case 'failed': {
      const failures = outcome.failures.map((failure) => toFunctionError(state, run, failure));
      const [first] = failures as [HandoffError];
      if (!run.settings.keepGoing) return first;
      const { message, cause, code, functionId, attempts, node } = first;
      const more = failures.length > 1 ? ` (${failures.length} functions failed in all.)` : '';
      return new HandoffError(code, message + more, {
        cause,
        failures,
        results: results(),
        ...idsOf(run),
        ...(functionId !== undefined && { functionId }),
        ...(attempts !== undefined && { attempts }),
        ...(node !== undefined && { node }),
      });
    }
  }
}

function toFunctionError(state: State, run: Run, { index, attempts, node, failure }: FunctionFailure): HandoffError {
  const functionId = run.plan.entries[index]!.id;
  const cause = causeOf(functionId, failure);
  if (failure.kind === 'aborted') return cause as HandoffError;
  if (failure.kind === 'too-many' || failure.kind === 'too-deep' || isHandoffError(cause, 'NOT_ITERABLE'))
    return Object.assign(cause as HandoffError, idsOf(run));
  if (failure.kind === 'too-large') return Object.assign(cause as HandoffError, idsOf(run));
  if (failure.kind === 'begun') {
    return new HandoffError('NODE_DOWN', `Function ${JSON.stringify(functionId)} ${beganOn(failure)}`, {
      ...idsOf(run),
      functionId,
      node: failure.node,
    });
  }
  if (failure.kind === 'node-down') {
    return new HandoffError('NODE_DOWN', `Function ${JSON.stringify(functionId)} cannot run: ${textOf(cause)}`, {
      ...idsOf(run),
      functionId,
      node: failure.node,
    });
  }
  const name = state.nodes[node]?.name ?? '';
  const tries = attempts === 1 ? '' : ` after ${attempts} attempts`;
  return new HandoffError(
    'FUNCTION_FAILED',
    `Function ${JSON.stringify(functionId)} failed${tries} on node ${name}: ${textOf(cause)}`,
    {
      ...idsOf(run),
      functionId,
      attempts,
      node: name,
      cause,
    },
  );
}

/** Why a function that is not idempotent is not started again. */
function beganOn({ node, ended, because }: Extract<Failure, { readonly kind: 'begun' }>): string {
  const what = ended
    ? `has taken effect on node ${node}, and its result was lost`
    : because !== undefined
      ? `shared a thread of node ${node} with function ${JSON.stringify(because)}, which cost that thread, and may have taken effect`
      : `was with node ${node} when that was lost, and may have taken effect`;
  return `${what}. As it is not idempotent, it is not begun again.`;
}

function refused(run: Run, index: number, error: unknown): HandoffError {
  const { id, traits } = run.plan.entries[index]!;
  const asked = formatAmounts(traits.cost ?? {});
  const why =
    error !== undefined
      ? `the resource tracker threw: ${textOf(error)}`
      : 'the resource tracker keeps refusing it, although no function of this host is running';
  return new HandoffError('RESOURCES_UNAVAILABLE', `Function ${JSON.stringify(id)} asks ${asked}, and ${why}.`, {
    ...idsOf(run),
    functionId: id,
    cost: traits.cost ?? {},
    ...(error !== undefined && { cause: error }),
  });
}

function count(times: number): string {
  return times === 1 ? 'once' : `${times} times`;
}
