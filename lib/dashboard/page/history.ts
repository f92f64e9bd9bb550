/** Declared, claimed and used amounts of nodes over the last minutes. */
import type { NodeView } from '../protocol.ts';

/** The history of one capability of one node. */
export interface Series {
  /** ms since the epoch, by the server's clock. */
  readonly at: readonly number[];
  readonly declared: readonly number[];
  readonly claimed: readonly number[];
  /** null if not measured. */
  readonly used: readonly (number | null)[];
}

/** ms. */
export const maxHistoryMs = 180_000;
const minIntervalMs = 500;

interface Sample {
  readonly at: number;
  readonly node: NodeView;
}

export class NodeHistory {
  readonly #samples = new Map<string, Sample[]>();

  /** Adds the current state of nodes. Keeps at most two samples per second. */
  add(at: number, nodes: readonly NodeView[]): void {
    for (const node of nodes) {
      const key = keyOf(node);
      const samples = this.#samples.get(key) ?? [];
      this.#samples.set(key, samples);
      if (samples.length > 1 && at - samples.at(-2)!.at <= minIntervalMs) samples.pop();
      samples.push({ at, node });
      while (samples[0]!.at < at - maxHistoryMs) samples.shift();
    }
  }

  series(node: NodeView, capability: string): Series {
    const samples = this.#samples.get(keyOf(node)) ?? [];
    return {
      at: samples.map((sample) => sample.at),
      declared: samples.map((sample) => sample.node.declared[capability] ?? 0),
      claimed: samples.map((sample) => sample.node.claimed[capability] ?? 0),
      used: samples.map((sample) => usedOf(sample.node, capability)),
    };
  }

  clear(): void {
    this.#samples.clear();
  }
}

export function usedOf(node: NodeView, capability: string): number | null {
  return capability === 'cpu' || capability === 'memory' ? (node.used?.[capability] ?? null) : null;
}

function keyOf({ host, name }: NodeView): string {
  return JSON.stringify([host, name]);
}
