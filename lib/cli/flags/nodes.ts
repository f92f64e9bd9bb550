/**
 * Nodes as the command line writes them: `--nodes 'a:cpu=2,memory=4000;b:cpu=1'`, `--capabilities cpu=2,memory=4000`.
 */
import { hostname } from 'node:os';
import type { Capabilities } from '../../dag/types.ts';
import { machine, type NodeOptions } from '../../runtime/options/handoff-options.ts';
import { UsageError } from '../exit.ts';
import { printable } from '../output/printable.ts';

/**
 * Nodes as written on the command line: `name:resource=amount,…`, separated by `;`. The amounts `threads`, `speed` and
 * `price` set options of the node.
 *
 * @throws `UsageError` if the text cannot be parsed
 */
export function parseNodes(text: string): NodeOptions[] {
  return text
    .split(';')
    .filter((part) => part.trim() !== '')
    .map((part) => {
      const colon = part.indexOf(':');
      const name = (colon < 0 ? part : part.slice(0, colon)).trim();
      if (name === '')
        throw new UsageError(`--nodes: ${JSON.stringify(part)} has no name. Write 'a:cpu=2,memory=4000;b:cpu=1'.`);
      return { name, ...parseAmounts('--nodes', colon < 0 ? '' : part.slice(colon + 1)) };
    });
}

/**
 * The capabilities of one node, with its `threads`, `speed` and `price`. @throws `UsageError` if the text cannot be
 * parsed
 */
export function parseCapabilities(text: string): Omit<NodeOptions, 'name'> {
  return parseAmounts('--capabilities', text);
}

/** One node with all resources of the machine. Its name is unique among processes. */
export function defaultNode(): NodeOptions {
  return { name: `${hostname()}-${process.pid}`, capabilities: machine() };
}

export function formatCapabilities(capabilities: Capabilities): string {
  const amounts = Object.entries(capabilities).map(([name, amount]) => `${printable(name)} ${amount}`);
  return amounts.length === 0 ? 'nothing declared' : amounts.join(', ');
}

function parseAmounts(flag: string, text: string): Omit<NodeOptions, 'name'> {
  const amounts: Record<string, number> = {};
  for (const part of text.split(',').filter((each) => each.trim() !== '')) {
    const [name = '', amount = '', ...rest] = part.split('=').map((each) => each.trim());
    const value = Number(amount);
    if (name === '' || amount === '' || rest.length > 0 || !Number.isFinite(value) || value < 0) {
      throw new UsageError(`${flag}: ${JSON.stringify(part)} is not resource=amount, such as cpu=2.`);
    }
    if (Object.hasOwn(amounts, name))
      throw new UsageError(`${flag}: ${name} stands twice in ${JSON.stringify(text)}. Give each resource once.`);
    amounts[name] = value;
  }
  const { threads, speed, price, ...capabilities } = amounts;
  return {
    capabilities,
    ...(threads !== undefined && { threads }),
    ...(speed !== undefined && { speed }),
    ...(price !== undefined && { price }),
  };
}
