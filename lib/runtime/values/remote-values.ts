/** Values in requests between hosts. Small ones travel inline; the sender holds large ones until they are fetched. */
import { fromPayloadWire } from '../../hosts/cluster/payload-wire.ts';
import type { Cluster } from '../../hosts/cluster/cluster.ts';
import type { Peer } from '../../hosts/cluster/peer.ts';
import { decodeOwn, encode } from '../../workers/store/encode.ts';
import type { PayloadData, RemoteData } from '../../workers/store/payload.ts';

export type Parcel = { readonly value: unknown } | { readonly payload: unknown };

// Data that belongs to no run.
const noRun = 0;

/** @throws `NOT_SERIALIZABLE` when the value cannot be sent */
export function pack(value: unknown, cluster: Cluster, to: Peer): Parcel {
  const data = encode(value);
  return data === undefined ? { value } : { payload: cluster.toWire(data, to) };
}

/** @throws `NODE_DOWN`, `RESULT_LOST` when its host is gone, or does not hold it any more; `PROTOCOL_ERROR` */
export async function unpack(parcel: Parcel, { objects }: Cluster): Promise<unknown> {
  if (!('payload' in parcel)) return parcel.value;
  const data = fromPayloadWire(parcel.payload);
  return decodeOwn(data.kind === 'remote' ? await fetchOnce(data, objects) : data);
}

async function fetchOnce(data: RemoteData, objects: Cluster['objects']): Promise<PayloadData> {
  try {
    return await objects.fetch(data);
  } finally {
    objects.release(noRun, data);
  }
}
