/** Values that flags take, as help and completion name them. */
import type { RunState } from '../../journal/journal.ts';

export const formats = ['mermaid', 'dot', 'svg', 'json'] as const;

export const logModes = ['stream', 'grouped', 'none'] as const;

export const failurePolicies = ['fail-fast', 'continue'] as const;

export const runStates: readonly RunState[] = ['queued', 'running', 'finished', 'failed', 'cancelled', 'orphaned'];

export const doubtPolicies = ['fail', 'retry'] as const;
