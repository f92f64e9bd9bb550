// Each line is an error. A spec compiles this file and reads what the compiler says.
import { dag, tasks } from '../../../lib/index.ts';

const t = tasks<typeof import('../tasks.ts')>(new URL('../tasks.ts', import.meta.url));
const raw = t.load('a.csv');
t.sum([raw]);
t.load(t.total(raw));
t.report('x', raw, raw);
t.makeAdder(1);
t.hidesFunction();
t.cleen(raw);
dag('d', { x: 1 });
