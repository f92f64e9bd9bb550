import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { UntilEnd } from '../../lib/core/until-end.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
const never = new Promise<never>(() => {});
const ended = (): Error => new Error('it ended');

it('settles as the work does while nothing ends', async () => {
  const life = new UntilEnd(never, ended);
  expect(await life.race(Promise.resolve(3))).toBe(3);
  await expect(life.race(Promise.reject(new Error('of its own')))).rejects.toThrow('of its own');
});

it('fails the work that is under way at the end, and all that comes later', async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const life = new UntilEnd(promise, ended);
  const [one, other] = [life.race(never), life.race(never)];
  resolve();
  await expect(one).rejects.toThrow('it ended');
  await expect(other).rejects.toThrow('it ended');
  await expect(life.race(never)).rejects.toThrow('it ended');
  await expect(life.race(Promise.resolve(1))).rejects.toThrow('it ended');
});

it('keeps no result, however long the end takes', async () => {
  const life = new UntilEnd(never, ended);
  const results: WeakRef<object>[] = [];
  for (let k = 0; k < 5; k++) results.push(new WeakRef(await life.race(Promise.resolve({ k }))));
  await new Promise((resolve) => setImmediate(resolve)); // a WeakRef holds its object to the end of the turn
  collect();
  expect(results.map((each) => each.deref())).toEqual(Array(5).fill(undefined));
  expect(await life.race(Promise.resolve(1))).toBe(1); // it is still there
});
