/** Hosts in separate processes, for benchmarks. */
import { fork } from 'node:child_process';
import { once } from 'node:events';

/** Such a host, with the ports of its plain sockets. */
export interface Far {
  readonly address: string;
  readonly echo: number;
  readonly sender: number;
  end(): void;
}

/** @param options `bytes` that its sender sends at once; `threads` of its node; other options of its `transport` */
export async function startHost(
  name: string,
  {
    bytes = 0,
    threads = 1,
    transport = {},
  }: { readonly bytes?: number; readonly threads?: number; readonly transport?: Readonly<Record<string, string>> },
): Promise<Far> {
  const child = fork(new URL('./host-worker.ts', import.meta.url), [
    name,
    String(bytes),
    String(threads),
    JSON.stringify(transport),
  ]);
  const [ports] = (await once(child, 'message')) as [Omit<Far, 'end'>];
  return { ...ports, end: () => void child.kill('SIGKILL') };
}
