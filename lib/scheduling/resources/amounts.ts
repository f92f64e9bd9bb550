/** Arithmetic of named amounts: capabilities, claims and costs. */
import type { Capabilities, Cost } from '../../dag/types.ts';

// Amounts may be fractions: claiming and releasing 0.1 + 0.2 must restore the original amount.
const tolerance = 1e-9;

/**
 * The first resource of which `cost` needs more than is available. The available amount of an undeclared resource is 0.
 */
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

/** Subtracts `cost` from `amounts`, in place, but not below 0. */
export function subtract(amounts: Record<string, number>, cost: Cost): void {
  for (const name in cost) {
    const left = amountOf(amounts, name) - cost[name]!;
    amounts[name] = left < tolerance ? 0 : left;
  }
}

/** `capabilities` minus `used`. An amount is negative when capabilities shrank below the claims. */
export function remaining(capabilities: Capabilities, used: Cost): Record<string, number> {
  const left: Record<string, number> = { ...capabilities };
  for (const name in used) left[name] = Math.max(0, amountOf(left, name) - used[name]!);
  return left;
}

/** An amount as text, such as `cpu 2, memory 500`. */
export function formatAmounts(amounts: Readonly<Record<string, number>>): string {
  const parts = Object.entries(amounts).map(([name, amount]) => `${name} ${amount}`);
  return parts.length === 0 ? 'nothing' : parts.join(', ');
}
