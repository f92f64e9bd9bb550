/** An open page, in a separate process: it always displays the newest run, and reads its graph and all its messages. */
import { get } from 'node:http';

const [url = ''] = process.argv.slice(2);
let rows = 0;
let shown = '';

/** Calls back with each message in the stream of a run. */
function listen(run: string | undefined, onMessage: (text: string) => void): () => void {
  const request = get(`${url}api/events${run === undefined ? '' : `?run=${run}`}`, (response) => {
    let text = '';
    response
      .setEncoding('utf8')
      .on('error', () => {})
      .on('data', (chunk: string) => {
        const parts = (text + chunk).split('\n\n');
        text = parts.pop()!;
        for (const part of parts) if (part.startsWith('data: ')) onMessage(part.slice('data: '.length));
      });
  }).on('error', () => {});
  return () => void request.destroy();
}

let close = (): void => {};

function show(run: string | undefined): void {
  close();
  shown = run ?? '';
  if (run !== undefined)
    get(
      `${url}api/runs/${run}/graph`,
      { headers: { 'accept-encoding': 'gzip' } },
      (response) => void response.resume(),
    ).on('error', () => {});
  close = listen(run, (text) => {
    const message = JSON.parse(text) as {
      readonly type: string;
      readonly rows?: readonly number[];
      readonly runs?: readonly { readonly key: string }[];
    };
    if (message.type === 'attempts') rows += message.rows!.length / 6;
    const newest = message.type === 'runs' ? message.runs!.at(-1)?.key : undefined;
    if (newest !== undefined && newest !== shown) show(newest);
  });
}

show(undefined);
process.on('message', () => process.send!(rows));
process.send!('ready');
