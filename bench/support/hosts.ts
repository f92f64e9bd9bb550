/** Hosts in processes of their own, for benchmarks. */
import { fork } from 'node:child_process';
import { once } from 'node:events';

/** Such a host, with the ports of the bare sockets beside it. */
export interface Far {
  readonly address: string;
  readonly echo: number;
  readonly sender: number;
  end(): void;
}

/** @param options `bytes` that its sender sends at once; `threads` of its node */
export async function startHost(name: string, { bytes = 0, threads = 1 }: { readonly bytes?: number; readonly threads?: number }): Promise<Far> {
  const child = fork(new URL('./host-worker.ts', import.meta.url), [name, String(bytes), String(threads)]);
  const [ports] = (await once(child, 'message')) as [Omit<Far, 'end'>];
  return { ...ports, end: () => void child.kill('SIGKILL') };
}
