/** The summary of a run, for a terminal. */
import type { ChainLink, CriticalChain } from '../../report/critical-chain.ts';
import type { NodeSummary, RunSummary } from '../../report/summary.ts';
import { formatBytes, formatMs, formatNumber, toTable } from './output.ts';
import { printable } from './printable.ts';

// Longer tables are harder to read.
const maxNames = 12;
const maxLinks = 12;

/** The headline, the critical path, a table by function name and a table by node. */
export function summaryText(summary: RunSummary): string {
  const { names, criticalPath } = summary;
  return [
    headline(summary),
    '',
    ...chain(criticalPath),
    '',
    ...toTable(
      ['function', 'count', 'total', 'mean', 'max'],
      names
        .slice(0, maxNames)
        .map(({ name, count, totalMs, meanMs, maxMs }) => [
          printable(name),
          count,
          precise(totalMs),
          precise(meanMs),
          precise(maxMs),
        ]),
    )
      .split('\n')
      .map(indent),
    ...(names.length > maxNames ? [indent(`and ${names.length - maxNames} more names`)] : []),
    '',
    ...nodeTable(summary.nodeUse).map(indent),
  ].join('\n');
}

function headline({
  ok,
  functions,
  done,
  failed,
  skipped,
  durationMs,
  efficiency,
  threads,
  retries,
  bytesMoved,
  nodes,
}: RunSummary): string {
  const on = Object.entries(nodes)
    .map(([node, count]) => `${printable(node)} (${count})`)
    .join(', ');
  const parts = [
    `${ok ? '' : `${done} of `}${functions - skipped} functions in ${formatMs(durationMs)}${on === '' ? '' : ` on ${on}`}`,
  ];
  if (skipped > 0) parts.push(`${skipped} skipped`);
  if (failed > 0) parts.push(`${failed} failed`);
  if (efficiency !== null)
    parts.push(`${Math.round(efficiency * 100)} % of ${threads} ${threads === 1 ? 'thread' : 'threads'} used`);
  if (retries > 0) parts.push(`${retries} retried`);
  if (bytesMoved > 0) parts.push(`${formatBytes(bytesMoved)} between hosts`);
  return parts.join(' · ');
}

function chain({ links, afterMs }: CriticalChain): string[] {
  if (links.length === 0) return ['No function ended.'];
  const ran = links.reduce((sum, { durationMs }) => sum + durationMs, 0);
  const waited = links.reduce((sum, { waitMs }) => sum + waitMs, 0) + afterMs;
  const half = maxLinks / 2;
  const shown: (ChainLink | number)[] =
    links.length <= maxLinks ? [...links] : [...links.slice(0, half), links.length - maxLinks, ...links.slice(-half)];
  const rows = shown.map((link) => {
    if (typeof link === 'number') return ['…', '', '', `${link} more`, '', ''];
    return [
      precise(link.waitMs),
      since[link.since],
      precise(link.durationMs),
      printable(link.functionId),
      `${printable(link.node)}/${link.thread}`,
      link.attempts > 1 ? `attempt ${link.attempts}` : '',
    ];
  });
  return [
    `Critical path: ${links.length} ${links.length === 1 ? 'function' : 'functions'} that ran ${precise(ran)}, and ${precise(waited)} in between`,
    ...toTable(['waited', 'since', 'ran', 'function', 'on', ''], rows).split('\n').map(indent),
  ];
}

const since: Record<ChainLink['since'], string> = {
  start: 'the start',
  result: 'its results were there',
  thread: 'the thread was free',
  resource: 'resources were free',
  retry: 'it could first begin',
};

function nodeTable(nodes: Readonly<Record<string, NodeSummary>>): string[] {
  const entries = Object.entries(nodes);
  if (entries.length === 0) return [];
  return toTable(
    ['node', 'threads', 'functions', 'busy', 'most claimed', 'most memory'],
    entries.map(([name, { threads, functions, busyMs, peakClaimed, peakMemoryMb }]) => [
      printable(name),
      threads,
      functions,
      precise(busyMs),
      Object.entries(peakClaimed)
        .map(([resource, amount]) => `${resource} ${formatNumber(amount)}`)
        .join(', '),
      peakMemoryMb === null ? 'not seen' : `${formatNumber(Math.round(peakMemoryMb))} MB`,
    ]),
  ).split('\n');
}

/** Milliseconds with enough digits for functions that take almost no time. */
function precise(ms: number): string {
  return ms < 10 ? `${Number(ms.toPrecision(2))} ms` : formatMs(ms);
}

function indent(line: string): string {
  return line === '' ? '' : `  ${line}`;
}
