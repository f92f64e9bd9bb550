/**
 * `node program.mjs CONTESTANT COUNT EXTENSION`: starts two threads, runs so many no-ops, stops. In JavaScript, so that
 * loading it costs nothing.
 */
const [contestant, count, extension] = [process.argv[2], Number(process.argv[3]), process.argv[4]];
const threads = 2;
const file = (name) => new URL(`./${name}`, import.meta.url);

const contestants = {
  async import() {
    await import('../../../dist/index.js');
  },
  async handoff() {
    const { Dag, Handoff, tasks } = await import('../../../dist/index.js');
    const t = tasks(file(`tasks.${extension}`));
    const handoff = await Handoff.start({ nodes: [{ name: 'n', capabilities: { cpu: threads }, threads }] });
    const dag = new Dag();
    for (let i = 0; i < count; i++) dag.add({ id: `f${i}`, code: t.noop });
    await handoff.execute(dag);
    await handoff.stop();
  },
  async piscina() {
    const { Piscina } = await import('piscina');
    const pool = new Piscina({
      filename: file('pool-worker.mjs').href,
      minThreads: threads,
      maxThreads: threads,
      concurrentTasksPerWorker: 32,
      recordTiming: false,
    });
    await Promise.all(Array.from({ length: count }, () => pool.run(0)));
    await pool.destroy();
  },
  async tinypool() {
    const { Tinypool } = await import('tinypool');
    const pool = new Tinypool({
      filename: file('pool-worker.mjs').href,
      runtime: 'worker_threads',
      minThreads: threads,
      maxThreads: threads,
      concurrentTasksPerWorker: 32,
    });
    await Promise.all(Array.from({ length: count }, () => pool.run(0)));
    await pool.destroy();
  },
  async workers() {
    const { Worker } = await import('node:worker_threads');
    const workers = Array.from({ length: threads }, () => new Worker(file('bare-worker.mjs')));
    let left = count;
    await new Promise((resolve) => {
      for (const worker of workers) worker.on('message', () => --left === 0 && resolve());
      for (let i = 0; i < count; i++) workers[i % threads].postMessage(i);
    });
    await Promise.all(workers.map((worker) => worker.terminate()));
  },
};

await contestants[contestant]();
process.stderr.write(`peak ${process.resourceUsage().maxRSS}\n`);
