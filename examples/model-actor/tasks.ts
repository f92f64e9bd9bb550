/** The functions of the DAG. They ask the model by its name, from whatever thread they run in. */
// In a project of your own: from 'handoffjs/task'.
import { context } from '../../lib/task.ts';
import { type Classifier, type Penguin, readPenguins } from './classifier.ts';

export interface Score {
  readonly species: string;
  readonly right: number;
  readonly all: number;
}

/** The half of the penguins that the model has not seen. */
export async function unseen(): Promise<Penguin[]> {
  return (await readPenguins()).filter((_, i) => i % 2 === 1);
}

export async function judge(penguins: readonly Penguin[], part: number, parts: number): Promise<Score[]> {
  const mine = penguins.filter((_, i) => i % parts === part);
  const model = context().actor<Classifier>('classifier');
  const named = await model.ask.classify(mine.map(({ measures }) => measures));
  const scores = new Map<string, { right: number; all: number }>();
  for (const [i, { species }] of mine.entries()) {
    const score = scores.get(species) ?? { right: 0, all: 0 };
    scores.set(species, { right: score.right + Number(named[i] === species), all: score.all + 1 });
  }
  return [...scores].map(([species, score]) => ({ species, ...score }));
}

export function total(scores: readonly (readonly Score[])[]): Score[] {
  const bySpecies = Object.groupBy(scores.flat(), ({ species }) => species);
  return Object.entries(bySpecies)
    .map(([species, parts]) => ({
      species,
      right: parts!.reduce((sum, { right }) => sum + right, 0),
      all: parts!.reduce((sum, { all }) => sum + all, 0),
    }))
    .sort((a, b) => (a.species < b.species ? -1 : 1));
}
