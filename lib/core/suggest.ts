/** "Did you mean": the nearest of the names that exist. */
import { distance } from 'fastest-levenshtein';

// Beyond this many names an error message is not worth the time.
const maxNames = 20_000;
// What a part of a longer name must have, to be taken for it.
const minPart = 4;

/** What things are called elsewhere, by what they are called here. */
const aliases: Readonly<Record<string, readonly string[]>> = {
  maxRetries: ['retries', 'retry', 'attempts', 'maxAttempts', 'tries', 'retryCount', 'retryLimit'],
  retryDelay: ['backoff', 'delay', 'retryBackoff', 'retryInterval'],
  retryIf: ['shouldRetry', 'retryOn', 'retryWhen'],
  maxConcurrency: ['concurrency', 'parallel', 'concurrent', 'limit', 'maxParallel', 'maxInFlight'],
  args: ['deps', 'dependencies', 'dependsOn', 'inputs', 'needs', 'after', 'parents'],
  extraArgs: ['params', 'parameters', 'arguments', 'values', 'data', 'extra'],
  code: ['fn', 'func', 'function', 'run', 'task', 'handler', 'execute', 'exec', 'worker'],
  id: ['name', 'key', 'functionId'],
  name: ['id', 'label'],
  cost: ['resources', 'requires', 'requirements', 'costs'],
  capabilities: ['resources', 'capacity', 'caps', 'limits'],
  timeout: ['timeoutMs', 'timeLimit', 'maxTime', 'ttl'],
  signal: ['abortSignal', 'abort', 'abortController'],
  node: ['pin', 'host', 'on', 'affinity', 'placement'],
  nodes: ['workers', 'hosts', 'pools'],
  threads: ['workers', 'maxThreads', 'poolSize', 'maxWorkers', 'minThreads', 'size'],
  allocationStrategy: ['strategy', 'scheduler', 'allocator', 'allocation'],
  failurePolicy: ['onError', 'failFast', 'continueOnError', 'onFailure'],
  onProgress: ['progress'],
  priority: ['prio', 'weight'],
  transport: ['cluster', 'network'],
};

/**
 * The name that was meant, when one is near enough: what it is called elsewhere, at most two fifths of its letters differ, or a part of one
 * name alone. Two neighbouring letters that have changed places are one difference.
 *
 * @param wrong what was written
 * @param names what exists
 */
export function nearest(wrong: string, names: Iterable<string>): string | undefined {
  const limit = Math.max(1, Math.floor(wrong.length * 0.4));
  const word = wrong.toLowerCase();
  const swapped = swaps(word);
  let best: string | undefined;
  let bestDistance = limit + 1;
  const holding: string[] = [];
  let looked = 0;
  for (const name of names) {
    if (++looked > maxNames) break;
    const lower = name.toLowerCase();
    if (aliases[name]?.some((alias) => alias.toLowerCase() === word) === true) return name;
    if (word.length >= minPart && lower !== word && (lower.startsWith(word) || lower.endsWith(word))) holding.push(name);
    if (Math.abs(name.length - wrong.length) >= bestDistance) continue;
    const steps = lower === word ? 0 : swapped.has(lower) ? 1 : distance(wrong, name);
    if (steps < bestDistance) {
      best = name;
      bestDistance = steps;
    }
  }
  return best ?? (holding.length === 1 ? holding[0] : undefined);
}

/** A word with two neighbouring letters in each other's place, in every way. */
function swaps(word: string): Set<string> {
  const all = new Set<string>();
  for (let i = 0; i + 1 < Math.min(word.length, 100); i++) all.add(word.slice(0, i) + word[i + 1] + word[i] + word.slice(i + 2));
  return all;
}

/** ` Did you mean "x"?`, or nothing. */
export function didYouMean(suggestion: string | undefined): string {
  return suggestion === undefined ? '' : ` Did you mean ${JSON.stringify(suggestion)}?`;
}
