/** The model: it names the species of a penguin by the five measured penguins that are most like it. */
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createRequire } from 'node:module';

/** Beak length and depth, flipper length (mm), body mass (g). */
export type Measures = readonly [number, number, number, number];

export interface Penguin {
  readonly species: string;
  readonly measures: Measures;
}

const fields = ['Beak Length (mm)', 'Beak Depth (mm)', 'Flipper Length (mm)', 'Body Mass (g)'] as const;
const neighbours = 5;

/** The penguins of Palmer Station, without those that were not measured. */
export async function readPenguins(): Promise<Penguin[]> {
  const folder = dirname(createRequire(import.meta.url).resolve('vega-datasets'));
  const text = await readFile(join(folder, '../data/penguins.json'), 'utf8');
  return (JSON.parse(text) as Record<string, string | number | null>[])
    .filter((row) => fields.every((field) => typeof row[field] === 'number'))
    .map((row) => ({
      species: String(row['Species']),
      measures: fields.map((field) => row[field] as number) as unknown as Measures,
    }));
}

/**
 * Lives in a thread of its own. It reads and scales its data once, when it starts; every function of every run then asks
 * the same instance.
 */
export class Classifier {
  #known: Promise<{ readonly penguins: readonly Penguin[]; readonly spread: Measures }>;
  #asked = 0;

  constructor() {
    this.#known = readPenguins().then((all) => {
      const penguins = all.filter((_, i) => i % 2 === 0); // the other half is for tests
      return { penguins, spread: spreadOf(penguins.map(({ measures }) => measures)) };
    });
  }

  /** The species of each. Many in one message cost little more than one. */
  async classify(unknown: readonly Measures[]): Promise<string[]> {
    const { penguins, spread } = await this.#known;
    this.#asked += unknown.length;
    return unknown.map((measures) => {
      const near = penguins
        .map(({ species, measures: other }) => ({ species, distance: distance(measures, other, spread) }))
        .sort((a, b) => a.distance - b.distance)
        .slice(0, neighbours);
      const votes = Object.entries(Object.groupBy(near, ({ species }) => species));
      return votes.reduce((best, each) => (each[1]!.length > best[1]!.length ? each : best))[0];
    });
  }

  asked(): number {
    return this.#asked;
  }
}

function distance(a: Measures, b: Measures, spread: Measures): number {
  return a.reduce((sum, value, k) => sum + ((value - b[k]!) / spread[k]!) ** 2, 0);
}

/** The standard deviation of each measure, so that grams do not outweigh millimetres. */
function spreadOf(all: readonly Measures[]): Measures {
  return fields.map((_, k) => {
    const mean = all.reduce((sum, each) => sum + each[k]!, 0) / all.length;
    return Math.sqrt(all.reduce((sum, each) => sum + (each[k]! - mean) ** 2, 0) / all.length);
  }) as unknown as Measures;
}
