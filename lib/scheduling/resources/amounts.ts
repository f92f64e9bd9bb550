/** Arithmetic of named amounts: what a node has, what is claimed of it, what a function asks. */
import type { Capabilities, Cost } from '../../dag/types.ts';

// Amounts may be fractions: 0.1 + 0.2 claimed and released must leave exactly what was there.
const tolerance = 1e-9;

/** The first resource of which `cost` asks more than there is; a resource that is not declared is 0. */
export function shortage(cost: Cost, available: Capabilities): string | undefined {
  for (const name in cost) if (cost[name]! > amountOf(available, name) + tolerance) return name;
  return undefined;
}

export function amountOf(amounts: Readonly<Record<string, number>>, name: string): number {
  return Object.hasOwn(amounts, name) ? amounts[name]! : 0;
}

/** Adds `cost` to `amounts`, in place. */
export function add(amounts: Record<string, number>, cost: Cost): void {
  for (const name in cost) amounts[name] = amountOf(amounts, name) + cost[name]!;
}

/** Takes `cost` from `amounts`, in place, never below 0. */
export function subtract(amounts: Record<string, number>, cost: Cost): void {
  for (const name in cost) {
    const left = amountOf(amounts, name) - cost[name]!;
    amounts[name] = left < tolerance ? 0 : left;
  }
}

/** What is left of `capabilities` when `used` is taken; a resource may be overdrawn when capabilities shrank. */
export function remaining(capabilities: Capabilities, used: Cost): Record<string, number> {
  const left: Record<string, number> = { ...capabilities };
  for (const name in used) left[name] = Math.max(0, amountOf(left, name) - used[name]!);
  return left;
}

/** `cpu 2, memory 500`, for people. */
export function formatAmounts(amounts: Readonly<Record<string, number>>): string {
  const parts = Object.entries(amounts).map(([name, amount]) => `${name} ${amount}`);
  return parts.length === 0 ? 'nothing' : parts.join(', ');
}
