import { expect, it } from 'vitest';
import { type ActorDeath, Handoff, tasks } from '../../../lib/index.ts';
import { heartbeat, startHere } from '../../support/hosts.ts';
import { until } from './folder.ts';

const a = tasks<typeof import('../../fixtures/actors.ts')>(new URL('../../fixtures/actors.ts', import.meta.url));

it('the deaths of a named actor are reported to monitors on another host than the one that spawned it', async () => {
  const owner = await Handoff.start({
    nodes: [{ name: 'far', capabilities: { cpu: 1 }, threads: 1 }],
    transport: { type: 'tcp', ...heartbeat },
  });
  const handoff = await startHere({ join: [owner.address!] });
  const own = await owner.spawn(a.Counter, { name: 'counter' });
  let found = false;
  await until(
    async () =>
      (found ||= await handoff.actor('counter').ask.get!().then(
        () => true,
        () => false,
      )),
  );
  const deaths: ActorDeath[] = [];
  handoff.actor('counter').monitor((death) => deaths.push(death));
  await handoff.actor('counter').ask.get!(); // the watch has been asked for before this
  await own.stop();
  await until(() => deaths.length > 0);
  expect(deaths).toMatchObject([{ final: true, exit: { reason: 'shutdown' } }]);
  await owner.stop({ drain: false });
});
