/** A model that is loaded once, held by an actor, and asked by the functions of a DAG. */
// In a project of your own: from 'handoffjs'.
import { dag, Handoff, tasks } from '../../lib/index.ts';

const c = tasks<typeof import('./classifier.ts')>(new URL('./classifier.ts', import.meta.url));
const t = tasks<typeof import('./tasks.ts')>(new URL('./tasks.ts', import.meta.url));

const parts = 4;

const handoff = await Handoff.start({ nodes: [{ name: 'local', capabilities: { cpu: 2 } }] });
try {
  const model = await handoff.spawn(c.Classifier, { name: 'classifier' });
  const penguins = t.unseen();
  const judged = Array.from({ length: parts }, (_, part) => t.judge(penguins, part, parts));
  const { scores } = await handoff.run(dag('penguins', { scores: t.total(judged) }));
  for (const { species, right, all } of scores) console.log(`${species}: ${right} of ${all} recognized`);
  console.log(`The model was asked for ${await model.ask.asked()} penguins.`);
} finally {
  await handoff.stop();
}
