/** "Did you mean": the nearest existing name. */
import { distance } from 'fastest-levenshtein';

// With more names than this, a suggestion is not worth the time.
const maxNames = 20_000;
// The minimum length of a part of a name that counts as a match.
const minPart = 4;

/** Names used by other libraries for the same concept, by the name used here. */
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
 * The name that was probably meant: an alias, a name of which at most two fifths of the letters differ, or the only
 * name that starts or ends with the given word. Swapping two neighbouring letters counts as one difference.
 *
 * @param wrong the given name
 * @param names the existing names
 * @returns undefined if no name is near enough
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
    if (word.length >= minPart && lower !== word && (lower.startsWith(word) || lower.endsWith(word)))
      holding.push(name);
    if (Math.abs(name.length - wrong.length) >= bestDistance) continue;
    const steps = lower === word ? 0 : swapped.has(lower) ? 1 : distance(wrong, name);
    if (steps < bestDistance) {
      best = name;
      bestDistance = steps;
    }
  }
  return best ?? (holding.length === 1 ? holding[0] : undefined);
}

/** The words that result from swapping two neighbouring letters. */
function swaps(word: string): Set<string> {
  const all = new Set<string>();
  for (let i = 0; i + 1 < Math.min(word.length, 100); i++)
    all.add(word.slice(0, i) + word[i + 1] + word[i] + word.slice(i + 2));
  return all;
}

/** ` Did you mean "x"?`, or an empty text without a suggestion. */
export function didYouMean(suggestion: string | undefined): string {
  return suggestion === undefined ? '' : ` Did you mean ${JSON.stringify(suggestion)}?`;
}
