/** Values that flags take, as help and completion name them. */

export const formats = ['mermaid', 'dot', 'svg', 'json'] as const;

export const logModes = ['stream', 'grouped', 'none'] as const;

export const failurePolicies = ['fail-fast', 'continue'] as const;
