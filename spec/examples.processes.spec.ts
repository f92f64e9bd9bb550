/** The examples, run as their guides say. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { read } from 'vega';
import { describe, expect, it } from 'vitest';
import { cli } from './support/cli.ts';
import { describeNats } from './support/nats-server.ts';
import { describePostgres, newDatabase } from './support/postgres/shared.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

async function example(name: string, ...args: string[]): Promise<{ stdout: string; stderr: string }> {
  return run(name, args, process.env);
}

function run(name: string, args: string[], env: NodeJS.ProcessEnv): Promise<{ stdout: string; stderr: string }> {
  return promisify(execFile)(process.execPath, [join(root, 'examples', name, 'main.ts'), ...args], { cwd: root, env });
}

it('every example is in the index, and has a guide that says how to run it', () => {
  const index = readFileSync(join(root, 'examples/README.md'), 'utf8');
  for (const name of readdirSync(join(root, 'examples')).filter((each) => each !== 'README.md')) {
    expect(index).toContain(`](${name})`);
    expect(readFileSync(join(root, 'examples', name, 'README.md'), 'utf8')).toContain(`node examples/${name}/main.ts`);
  }
});

describe.concurrent('getting-started', () => {
  it('prints what its guide says, with the library unbuilt', async () => {
    // Without the bundle of the specs.
    const { stdout } = await run('getting-started', [], { ...process.env, NODE_OPTIONS: '' });
    const guide = readFileSync(join(root, 'examples/getting-started/README.md'), 'utf8');
    expect(guide).toContain(stdout);
    expect(stdout).toContain('sum: 130');
  });
});

describe.concurrent('simple-pipeline', () => {
  const weather = readFileSync(
    join(dirname(createRequire(import.meta.url).resolve('vega-datasets')), '../data/weather.csv'),
    'utf8',
  );
  const column = (name: string): number[] => {
    const [head = '', ...lines] = weather.trim().split('\n');
    return lines.map((line) => Number(line.split(',')[head.split(',').indexOf(name)]));
  };

  it('gives the statistics of the data, for both sets of parameters', async () => {
    const { stdout } = await example('simple-pipeline');
    for (const [measure, threshold, operation] of [
      ['temp_max', 25, (x: number) => x * x],
      ['wind', 5, Math.sqrt],
    ] as const) {
      const values = column(measure)
        .filter((x) => x > threshold)
        .map(operation);
      const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
      expect(stdout).toContain(`${values.length} days above the threshold`);
      expect(stdout).toContain(`max    ${Math.max(...values).toFixed(2)}`);
      expect(stdout).toContain(`mean   ${mean.toFixed(2)}`);
    }
    expect(stdout).toMatch(/load: 'back'[\s\S]*format: 'front'/);
  });
});

describe.concurrent('resumable-etl', () => {
  const flights = JSON.parse(
    readFileSync(
      join(dirname(createRequire(import.meta.url).resolve('vega-datasets')), '../data/flights-200k.json'),
      'utf8',
    ),
  ) as { readonly delay: number; readonly distance: number; readonly time: number }[];
  const shareOf = (from: number, minutes: number): string => {
    const all = flights.filter(
      ({ delay, distance, time }) =>
        distance > 0 && Math.abs(delay) <= 1440 && Math.floor(Math.floor(time % 24) / 6) * 6 === from,
    );
    const late = all.filter(({ delay }) => delay > minutes);
    return `${String(all.length).padStart(6)} flights, ${((100 * late.length) / all.length).toFixed(1).padStart(4)} % more than ${minutes} min late`;
  };

  it('is killed, goes on where it was, and runs only what another parameter changes', async () => {
    const { stdout } = await example('resumable-etl');
    expect(stdout).toContain('monday: the process was killed (SIGKILL)');
    const [, restored, cached, ran] = /monday: 26 functions: (\d+) restored, (\d+) from the cache, (\d+) ran/
      .exec(stdout)!
      .map(Number);
    expect(restored! + cached!).toBeGreaterThan(0);
    expect(restored! + cached! + ran!).toBe(26);
    expect(stdout).toContain('tuesday: 26 functions: 0 restored, 16 from the cache, 10 ran');
    const [monday = '', tuesday = ''] = stdout.split('tuesday:');
    for (const from of [0, 6, 12, 18]) {
      expect(monday).toContain(shareOf(from, 15));
      expect(tuesday).toContain(shareOf(from, 30));
    }
  });
});

describe.concurrent('data-catalogue', () => {
  const folder = join(dirname(createRequire(import.meta.url).resolve('vega-datasets')), '../data');
  const rowsOf = (extension: '.csv' | '.tsv' | '.json'): Map<string, number> =>
    new Map(
      readdirSync(folder)
        .filter((file) => file.endsWith(extension))
        .map((file) => {
          const text = readFileSync(join(folder, file), 'utf8');
          if (extension !== '.json') return [file, read(text, { type: extension === '.csv' ? 'csv' : 'tsv' }).length];
          const value: unknown = JSON.parse(text);
          const isTable = Array.isArray(value) && typeof value[0] === 'object' && !Array.isArray(value[0]);
          return [file, isTable ? value.length : 0];
        }),
    );
  const total = (rows: ReadonlyMap<string, number>): number => [...rows.values()].reduce((sum, each) => sum + each, 0);

  it('registers every file as fast as the service allows, and reports on them as its guide says', async () => {
    const { stdout } = await example('data-catalogue');
    expect(readFileSync(join(root, 'examples/data-catalogue/README.md'), 'utf8')).toContain(stdout);
    const lines = new Map([...rowsOf('.csv'), ...rowsOf('.tsv')]);
    const json = rowsOf('.json');
    const tables = [...json.values()].filter((rows) => rows > 0).length;
    expect(stdout).toContain(`register#1: ${lines.size} elements`);
    expect(stdout).toContain(`${lines.size} files, ${total(lines)} rows`);
    expect(stdout).toContain(`${tables} files, ${total(json)} rows`);
    const [longest] = [...lines].toSorted(([, a], [, b]) => b - a);
    expect(stdout).toMatch(new RegExp(`rows\\n  ${longest![0]} +${longest![1]} rows`));
    const others = [...json].filter(([, rows]) => rows === 0).map(([file]) => file);
    expect(stdout).toContain(`not tables: ${others.toSorted().join(', ')}\n`);
    expect(stdout).toContain(`the catalogue has ${lines.size + json.size} entries, and refused 0 requests`);
  });
});

describe('image-processing', () => {
  const output = join(root, 'examples/image-processing/output');

  it('writes a collage that one can look at, and thumbnails, and tells what ran where', async () => {
    rmSync(output, { recursive: true, force: true });
    const { stdout, stderr } = await example('image-processing');
    expect(stdout).toContain('local: 51 functions'); // eight maps over six photographs, and three others
    expect(stdout).toMatch(/blur_effect +local × 6/);
    expect(stdout).toMatch(/Collage: +examples\/image-processing\/output\/collage\.jpg \(1600 × 1200/);
    expect(stderr).toMatch(/^\[51\/51\] /m);

    const collage = sharp(join(output, 'collage.jpg'));
    expect(await collage.metadata()).toMatchObject({ width: 1600, height: 1200, format: 'jpeg' });
    const cell = async (column: number, row: number) =>
      (
        await sharp(
          await collage
            .clone()
            .extract({ left: 15 + column * 263, top: 15 + row * 297, width: 240, height: 270 })
            .png()
            .toBuffer(),
        ).stats()
      ).channels;
    const [red, , blue] = await cell(0, 1); // sepia: brownish, so more red than blue
    expect(red!.mean).toBeGreaterThan(blue!.mean + 15);
    const [gray, same] = await cell(0, 0);
    expect(Math.abs(gray!.mean - same!.mean)).toBeLessThan(2);
    const [edges] = await cell(0, 3); // edges: dark with bright lines
    expect(edges!.mean).toBeLessThan(gray!.mean);
    expect(edges!.max).toBeGreaterThan(200);
    expect((await cell(2, 0))[0]!.mean).not.toBeCloseTo(gray!.mean, 0); // another photograph

    const thumbnails = readdirSync(output).filter((file) => file.startsWith('thumb_'));
    expect(thumbnails).toHaveLength(6);
    for (const file of thumbnails)
      expect(await sharp(join(output, file)).metadata()).toMatchObject({ width: 150, height: 150 });
  });

  it('spreads over several nodes, edges where the gpu is', async () => {
    const { stdout } = await example('image-processing', '--nodes', '3');
    expect(stdout).toMatch(/edge_detection +studio × 6$/m);
    expect(stdout).toMatch(/lab: \d+ functions/);
    expect(existsSync(join(output, 'collage.jpg'))).toBe(true);
  });

  it('refuses nonsense', async () => {
    await expect(example('image-processing', '--nodes', '9')).rejects.toMatchObject({ code: 2 });
  });
});

describe.concurrent('distributed-image-processing', () => {
  const output = join(root, 'examples/distributed-image-processing/output');
  const isThere = (pid: number): boolean => {
    try {
      return process.kill(pid, 0);
    } catch {
      return false;
    }
  };

  it('runs on three hosts, reads and writes files on its own, and ends them all', async () => {
    rmSync(output, { recursive: true, force: true });
    const { stdout } = await example('distributed-image-processing');
    for (const line of [/load_images +desk × 6$/m, /edge_detection +lab × 6$/m, /save_collage +desk$/m])
      expect(stdout).toMatch(line);
    for (const node of ['desk', 'lab', 'attic']) expect(stdout).toMatch(new RegExp(`${node}: \\d+ functions`));
    expect(await sharp(join(output, 'collage.jpg')).metadata()).toMatchObject({
      width: 1600,
      height: 1200,
      format: 'jpeg',
    });
    expect(readdirSync(output).filter((file) => file.startsWith('thumb_'))).toHaveLength(6);
    const pids = [...stdout.matchAll(/^Host \w+: process (\d+)/gm)].map(([, pid]) => Number(pid));
    expect(pids).toHaveLength(2);
    expect(pids.filter(isThere)).toEqual([]);
  });
});

describe.concurrent('branching-distributed', () => {
  it('prints what its guide says', async () => {
    const { stdout } = await example('branching-distributed');
    expect(readFileSync(join(root, 'examples/branching-distributed/README.md'), 'utf8')).toContain(stdout);
    expect(stdout).toContain('183 (63 + 120), of branches in 2 processes');
  });
});

describe.concurrent('model-actor', () => {
  it('prints what its guide says', async () => {
    const { stdout } = await example('model-actor');
    expect(readFileSync(join(root, 'examples/model-actor/README.md'), 'utf8')).toContain(stdout);
    expect(stdout).toContain('Adelie: 75 of 75');
  });
});

describe.concurrent('tested-pipeline', () => {
  it('prints what its guide says', async () => {
    const { stdout } = await example('tested-pipeline');
    expect(readFileSync(join(root, 'examples/tested-pipeline/README.md'), 'utf8')).toContain(stdout);
    expect(stdout).toMatch(/^AAPL 14\.5 %$/m);
  });

  it('passes its own tests', async () => {
    const vitest = join(root, 'node_modules/vitest/vitest.mjs');
    const args = [vitest, 'run', '--root', join(root, 'examples/tested-pipeline')];
    const env = { ...process.env, NO_COLOR: '1' };
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: root, env });
    expect(stdout).toMatch(/Tests +9 passed/);
  });
});

describe.concurrent('tensor-pipeline', () => {
  it('gives the numbers of the whole computation on one node, on three, and in two processes, and encodes only between nodes', async () => {
    const digests = new Set<string>();
    const small = ['--runs', '1', '--across', '4', '--points', '20000'];
    const ways = [
      ['--nodes', '1'],
      ['--nodes', '3'],
      ['--hosts', '2'],
    ];
    const runs = await Promise.all(ways.map((args) => example('tensor-pipeline', ...small, ...args)));
    for (const [k, { stdout }] of runs.entries()) {
      const args = ways[k]!;
      expect(stdout.match(/the same to the bit as unsplit/g)).toHaveLength(2);
      digests.add([...stdout.matchAll(/sha256 (\w+)/g)].map(([, digest]) => digest).join());
      const nodes = new Set([...stdout.matchAll(/^ {2}\d+:\w+ +(\w+)/gm)].map(([, node]) => node));
      const encoded = [...stdout.matchAll(/(\d+) of them encoded/g)].reduce((sum, [, count]) => sum + Number(count), 0);
      expect(encoded > 0).toBe(nodes.size > 1);
      expect(nodes.size > 1).toBe(args[1] !== '1');
    }
    expect(digests.size).toBe(1);
  });

  it('refuses nonsense', async () => {
    await expect(example('tensor-pipeline', '--nodes', '2')).rejects.toMatchObject({ code: 2 });
  });
});

describe.concurrent('web-server', () => {
  it('answers as its guide says, 200 requests at once from a cold start, each with its own report, and ends when it is told to', async ({
    onTestFinished,
  }) => {
    const server = spawn(
      process.execPath,
      [join(root, 'examples/web-server/main.ts'), '--port', '0', '--deadline', '200000'],
      { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] },
    );
    onTestFinished(() => void server.kill('SIGKILL')); // a process that goes on would keep the whole suite from ending
    const ended = once(server, 'exit');
    const [address] = (await once(server.stdout, 'data')) as [Buffer];
    const post = async (text: string): Promise<{ status: number; body: string }> => {
      const response = await fetch(`${String(address).trim()}/report`, { method: 'POST', body: text });
      return { status: response.status, body: await response.text() };
    };
    const answers = await Promise.all(Array.from({ length: 200 }, (_, n) => post('word '.repeat(n + 1))));
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    expect(answers.map(({ body }) => (JSON.parse(body) as { words: number }).words)).toEqual(
      answers.map((_, n) => n + 1),
    );
    const guide = readFileSync(join(root, 'examples/web-server/README.md'), 'utf8');
    expect(guide).toContain((await post(/-d '(.*)'/.exec(guide)![1]!)).body);
    expect((await post('x'.repeat(200_000))).status).toBe(413);
    server.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
  });
});

describeNats('nats-cluster', () => {
  it('finishes although one of its hosts is killed', async () => {
    const output = join(root, 'examples/nats-cluster/output');
    rmSync(output, { recursive: true, force: true });
    const { stdout } = await example('nats-cluster');
    expect(stdout).toContain('Nodes: attic, desk, lab');
    expect(stdout).toContain('Node lab is down');
    expect(stdout).toMatch(/from attic and desk;/);
    expect(await sharp(join(output, 'collage.jpg')).metadata()).toMatchObject({ format: 'jpeg' });
  });

  describePostgres('with a journal', () => {
    it('records its run, and a second start runs nothing again', async () => {
      const journal = ['--journal', await newDatabase()];
      const output = join(root, 'examples/nats-cluster/output');
      expect((await example('nats-cluster', ...journal)).stdout).toContain('Node lab is down');
      rmSync(output, { recursive: true });
      expect((await example('nats-cluster', ...journal)).stdout).toMatch(/^11 results/m);
      expect(existsSync(output)).toBe(false);
      expect((await cli('runs', ...journal)).stdout).toMatch(/^collage +image-processing +finished +35 of 35 /m);
    });
  });
});
