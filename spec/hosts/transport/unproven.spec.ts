import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { networkOf, UnprovenConnections } from '../../../lib/hosts/transport/tcp/unproven.ts';

describe('connections that have not proved themselves', () => {
  it('are never more than allowed, and a new one is always taken', () => {
    const step = fc.record({
      from: fc.constantFrom('1.1.1.1', '2.2.2.2', '3.3.3.3'),
      what: fc.constantFrom('add', 'speaks', 'vouched', 'forget'),
      which: fc.nat(50),
    });
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 8 }),
        fc.integer({ min: 1, max: 8 }),
        fc.array(step, { maxLength: 100 }),
        (most, mostPerAddress, steps) => {
          const connections = new UnprovenConnections(most, mostPerAddress);
          const open: { from: string; unproven: ReturnType<UnprovenConnections['add']> }[] = [];
          for (const { from, what, which } of steps) {
            if (what === 'add') {
              const entry = { from, unproven: connections.add(from, () => void open.splice(open.indexOf(entry), 1)) };
              open.push(entry);
            } else if (what === 'forget') {
              open.splice(which % Math.max(1, open.length), 1)[0]?.unproven.forget();
            } else {
              open[which % Math.max(1, open.length)]?.unproven[what as 'speaks']();
            }
            expect(connections.size).toBe(open.length);
            expect(open.length).toBeLessThanOrEqual(most);
            for (const address of ['1.1.1.1', '2.2.2.2', '3.3.3.3'])
              expect(open.filter((each) => each.from === address).length).toBeLessThanOrEqual(mostPerAddress);
          }
        },
      ),
    );
  });

  it('give way in order: first the oldest silent one, then one that spoke, last one that is vouched for', () => {
    const connections = new UnprovenConnections(3, 3);
    const closed: string[] = [];
    const add = (name: string) => connections.add('1.1.1.1', () => void closed.push(name));
    const vouched = add('vouched');
    vouched.speaks();
    vouched.vouched();
    add('speaking').speaks();
    add('silent');
    for (const name of ['x', 'y', 'z']) {
      const next = add(name);
      next.speaks();
      next.vouched();
    }
    expect(closed).toEqual(['silent', 'speaking', 'vouched']);
  });

  it('leave a new one time to speak, whatever others have sent', () => {
    const connections = new UnprovenConnections(8, 8);
    const closed: string[] = [];
    const add = (name: string) => connections.add('1.1.1.1', () => void closed.push(name));
    for (let k = 0; k < 8; k++) add(`stranger ${k}`).speaks();
    const real = add('real');
    for (let k = 8; k < 10; k++) add(`stranger ${k}`).speaks();
    real.speaks();
    expect(closed).toEqual(['stranger 0', 'stranger 1', 'stranger 2']);
  });

  it('of the address with most connections give way', () => {
    const connections = new UnprovenConnections(4, 4);
    const closed: string[] = [];
    for (const from of ['5.5.5.5', '6.6.6.6', '6.6.6.6', '6.6.6.6', '7.7.7.7'])
      connections.add(from, () => void closed.push(from));
    expect(closed).toEqual(['6.6.6.6']);
  });

  it.each([
    ['10.1.2.3', '10.1.2.3'],
    ['::ffff:10.1.2.3', '10.1.2.3'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:db8::1', '2001:db8:0:0'],
    ['::1', '0:0:0:0'],
    ['fe80::1%eth0', 'fe80:0:0:0'],
    [undefined, 'unix'],
  ])('of %s count for %s', (address, network) => {
    expect(networkOf(address)).toBe(network);
  });
});
