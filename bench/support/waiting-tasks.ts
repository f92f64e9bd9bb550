/** A function that waits for a web server. */
import { Agent, get } from 'node:http';

const agent = new Agent({ keepAlive: true, maxSockets: Infinity });

/** The length of the answer. */
export function request(port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    get({ port, host: '127.0.0.1', agent }, (response) => {
      let length = 0;
      response.on('data', (chunk: Buffer) => (length += chunk.length));
      response.on('end', () => resolve(length));
    }).on('error', reject);
  });
}

/** The entry for Piscina. */
export default request;
