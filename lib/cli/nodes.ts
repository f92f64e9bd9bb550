/** `--nodes 'a:cpu=2,memory=4000;b:cpu=1'`. */
import type { NodeOptions } from '../runtime/options.ts';
import { UsageError } from './exit.ts';

/**
 * Nodes as written on the command line: `name:resource=amount,…`, separated by `;`. `threads` and `speed` among the amounts are the node's
 * own.
 *
 * @throws `UsageError`
 */
export function parseNodes(text: string): NodeOptions[] {
  return text.split(';').filter((part) => part.trim() !== '').map((part) => {
    const colon = part.indexOf(':');
    const name = (colon < 0 ? part : part.slice(0, colon)).trim();
    if (name === '') throw new UsageError(`--nodes: ${JSON.stringify(part)} has no name. Write 'a:cpu=2,memory=4000;b:cpu=1'.`);
    const { threads, speed, ...capabilities } = colon < 0 ? {} : parseAmounts(part.slice(colon + 1));
    return { name, capabilities, ...(threads !== undefined && { threads }), ...(speed !== undefined && { speed }) };
  });
}

function parseAmounts(text: string): Record<string, number> {
  const amounts: Record<string, number> = {};
  for (const part of text.split(',').filter((each) => each.trim() !== '')) {
    const [name = '', amount = '', ...rest] = part.split('=').map((each) => each.trim());
    const value = Number(amount);
    if (name === '' || amount === '' || rest.length > 0 || !Number.isFinite(value) || value < 0) {
      throw new UsageError(`--nodes: ${JSON.stringify(part)} is not resource=amount, such as cpu=2.`);
    }
    amounts[name] = value;
  }
  return amounts;
}
