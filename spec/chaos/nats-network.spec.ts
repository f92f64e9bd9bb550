/** A host at a NATS server, when the network between them is cut, and when that between two hosts is. */
import type { ChildProcess } from 'node:child_process';
import { createServer, connect as dial, type Server } from 'node:net';
import { once } from 'node:events';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Dag, Handoff } from '../../lib/index.ts';
import {
  alsoHere,
  connect,
  cut,
  cutOther,
  describeCuts,
  disconnect,
  heal,
  healOther,
  here,
  startThere,
  there,
} from '../support/cut-network.ts';
import { t } from '../support/handoff.ts';
import { next } from '../support/hosts.ts';
import { describeNats, NatsServer } from '../support/nats-server.ts';

// CHAOS=full: as much as it takes to believe it.
const rounds = Number(process.env['CHAOS_ROUNDS'] ?? (process.env['CHAOS'] === 'full' ? 20 : 1));
const functions = 200;
const secret = 'of this spec, and long enough';
const bulkPort = 7301;

/** Every tenth result is large, and each function takes the result of the one ten before it. */
function dag(): Dag {
  const made = new Dag();
  for (let i = 0; i < functions; i++)
    made.add({
      id: `f${i}`,
      code: t.churn,
      args: i < 10 ? [] : [`f${i - 10}`],
      layout: [{ value: i }, { value: 5 }, { value: i % 10 === 0 }, ...(i < 10 ? [] : [{ arg: 0 }])],
    });
  return made;
}

const values = (results: Readonly<Record<string, unknown>>): unknown[] =>
  Array.from({ length: functions }, (_, i) => results[`f${i}`]).map((value) =>
    typeof value === 'number' ? value : (value as Float64Array)[0],
  );

describeNats('with a NATS server', () => {
  describeCuts('a host behind a network of its own', () => {
    let server: NatsServer;
    let forwarder: Server;
    let child: ChildProcess | undefined;
    let handoff: Handoff;
    let right: unknown[];

    beforeAll(async () => {
      connect();
      server = await NatsServer.start();
      // The server listens on loopback only, which the namespace does not reach.
      forwarder = createServer((socket) => {
        const on = dial(server.port, '127.0.0.1');
        for (const each of [socket, on]) each.on('error', () => (socket.destroy(), on.destroy()));
        socket.pipe(on).pipe(socket);
      }).listen(0, here);
      await once(forwarder, 'listening');
      const { port } = forwarder.address() as { port: number };
      child = await startThere(
        [
          'node',
          '--nats',
          `nats://${here}:${port}`,
          '--listen',
          `${there}:${bulkPort}`,
          '--nodes',
          'far:cpu=1',
          '--json',
        ],
        { HANDOFF_SECRET: secret },
      );
      handoff = await Handoff.start({
        nodes: [{ name: 'near', capabilities: { cpu: 1 }, threads: 1 }],
        transport: {
          type: 'nats',
          servers: server.url,
          host: alsoHere,
          secret,
          heartbeatInterval: 100,
          heartbeatTimeout: 1500,
        },
      });
      while (Object.keys(await handoff.discoverNodes()).length < 2) await next(handoff, 'node:up');
      right = values((await handoff.execute(dag())).results);
    });

    afterAll(async () => {
      await handoff?.stop({ drain: false });
      child?.kill('SIGKILL');
      forwarder?.close();
      await server?.stop();
      disconnect();
    });

    /** Runs the DAG, and does something when a third of its functions has finished. */
    async function runAndIn(act: () => void): Promise<unknown[]> {
      let finished = 0;
      const listener = (): void => void (++finished === Math.floor(functions / 3) && act());
      handoff.on('function:finished', listener);
      const { results } = await handoff.execute(dag(), { maxRetries: 0 });
      handoff.off('function:finished', listener);
      return values(results);
    }

    it(`is given up when it is cut off from the server, and returns when that has healed (${rounds} rounds)`, async () => {
      for (let round = 0; round < rounds; round++) {
        const down = next(handoff, 'node:down', ({ node }) => node === 'far');
        expect(await runAndIn(cut), `round ${round}`).toEqual(right);
        await down;
        const up = next(handoff, 'node:up', ({ node }) => node === 'far');
        heal();
        await up;
        expect(values((await handoff.execute(dag())).results), `round ${round}, healed`).toEqual(right);
      }
    }, 1_200_000);

    it(`takes and gives results through the server when only the other host cannot be reached (${rounds} rounds)`, async () => {
      for (let round = 0; round < rounds; round++) {
        expect(await runAndIn(cutOther), `round ${round}`).toEqual(right);
        const { results, allocations } = await handoff.execute(dag(), { maxRetries: 0 });
        expect(values(results), `round ${round}, cut`).toEqual(right);
        expect(new Set(Object.values(allocations)), 'the host is still used').toEqual(new Set(['near', 'far']));
        healOther();
        expect(values((await handoff.execute(dag())).results), `round ${round}, healed`).toEqual(right);
      }
    }, 1_200_000);
  });
});
