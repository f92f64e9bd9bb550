/** What a guest's functions take that lies elsewhere: held as long as its run is under way, and no longer. */
import { describe, expect, it } from 'vitest';
import type { Fetcher } from '../../../lib/hosts/cluster/fetcher.ts';
import { ObjectTable } from '../../../lib/hosts/cluster/object-table.ts';
import { RemoteInputs } from '../../../lib/hosts/cluster/remote-inputs.ts';
import type { Peer } from '../../../lib/hosts/cluster/peer.ts';
import type { PayloadData, RemoteData } from '../../../lib/workers/store/payload.ts';

const remote = (key: string): RemoteData => ({
  kind: 'remote',
  host: 'far',
  key,
  of: { kind: 'buffer', length: 4 } as never,
});
const bytes = (): PayloadData => ({ kind: 'buffer', bytes: new SharedArrayBuffer(4) });

class Far {
  readonly holdings = new ObjectTable('here', undefined);
  readonly asked: string[] = [];
  readonly answers = new Map<string, PromiseWithResolvers<PayloadData>>();
  readonly inputs = new RemoteInputs({ identity: { id: 'guest' } } as Peer, this.holdings, {
    fetch: ({ key }: RemoteData) => {
      this.asked.push(key);
      const answer = Promise.withResolvers<PayloadData>();
      this.answers.set(key, answer);
      return answer.promise;
    },
  } as unknown as Fetcher);

  async answer(key: string, data: PayloadData = bytes()): Promise<void> {
    this.answers.get(key)!.resolve(data);
    await new Promise(setImmediate);
  }
}

describe('inputs', () => {
  it('are fetched before a function takes them, and then held and read here', async () => {
    const far = new Far();
    far.inputs.prefetch(1, remote('k'));
    const data = bytes();
    await far.answer('k', data);
    expect(await far.inputs.resolve(remote('k'), 1)).toBe(data);
    expect(far.asked).toEqual(['k']);
  });

  it('are dropped with their run', async () => {
    const far = new Far();
    far.inputs.prefetch(1, remote('k'));
    await far.answer('k');
    far.inputs.endRun(1);
    expect(far.holdings.get('k')).toBeUndefined();
  });

  it('are not held when their run ends before they arrive, while those of other runs are', async () => {
    const far = new Far();
    far.inputs.prefetch(1, remote('late'));
    far.inputs.prefetch(2, remote('other'));
    far.inputs.endRun(1);
    await far.answer('late');
    await far.answer('other');
    expect(far.holdings.get('late')).toBeUndefined();
    expect(far.holdings.get('other')).toBeDefined();
  });

  it('are not held when the orchestrator is gone', async () => {
    const far = new Far();
    far.inputs.prefetch(1, remote('k'));
    far.inputs.end();
    await far.answer('k');
    expect(far.holdings.get('k')).toBeUndefined();
  });

  it('that cannot be fetched cause no error until a function takes them', async () => {
    const far = new Far();
    far.inputs.prefetch(1, remote('k'));
    far.answers.get('k')!.reject(new Error('gone'));
    await new Promise(setImmediate);
    const taking = far.inputs.resolve(remote('k'), 1);
    far.answers.get('k')!.reject(new Error('gone for good'));
    await expect(taking).rejects.toThrow('gone for good');
  });

  it('that are malformed are refused', () => {
    const far = new Far();
    expect(() => far.inputs.prefetch(1, { kind: 'nonsense' })).toThrow(
      expect.objectContaining({ code: 'PROTOCOL_ERROR' }),
    );
  });
});
