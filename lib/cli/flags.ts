/** Flags that commands share. */
import type { HandoffOptions } from '../runtime/options.ts';
import { parseNodes } from './nodes.ts';

export interface HandoffFlags {
  readonly nodes?: string;
  readonly strategy?: string;
}

/** The options of `Handoff.start` that flags ask for. */
export function toOptions({ nodes, strategy }: HandoffFlags): HandoffOptions {
  return {
    ...(nodes !== undefined && { nodes: parseNodes(nodes) }),
    // Any other name is refused by the options themselves, which know which there are.
    ...(strategy !== undefined && { allocationStrategy: strategy as NonNullable<HandoffOptions['allocationStrategy']> }),
  };
}
