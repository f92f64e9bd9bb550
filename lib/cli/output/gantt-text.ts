/** A Gantt chart for a terminal: one row per thread, readable without colours. */
import { type Bar, type Gantt, type GanttRow, namesOf } from '../../report/gantt.ts';
import { ticks, time } from '../../report/svg.ts';
import { columnsOf, padded, printable, shortened } from './printable.ts';

// A narrow bar has room for one letter. A capital marks the critical path.
const letters = 'abcdefghijklmnopqrstuvwxyz';
const namesInLegend = 26;

/**
 * Rows of bars above an axis, with a legend of the letters. A bar with enough room shows its id.
 *
 * @param width of the terminal, in characters
 */
export function ganttText(gantt: Gantt, width: number): string {
  const labels = gantt.rows.map(labelOf);
  const longest = labels.reduce((most, label) => Math.max(most, columnsOf(label)), 0);
  const left = Math.min(longest, Math.max(4, Math.floor(width / 3)));
  const cells = Math.max(8, width - left - 3);
  const byName = lettersOf(gantt);
  const lines = gantt.rows.map(
    (row, i) => `${padded(shortened(labels[i]!, left), left)} |${rowText(row, gantt.length, cells, byName)}|`,
  );
  return [axis(gantt.length, left, cells), ...lines, '', ...legend(byName, width)].join('\n');
}

function labelOf({ node, thread }: GanttRow, i: number, rows: readonly GanttRow[]): string {
  if (thread !== undefined) return `${printable(node)}/${thread}`;
  return rows[i - 1]?.node === node ? '' : printable(node);
}

/**
 * Each name gets the first of its own letters that is free, or any free letter. Names beyond the alphabet share `*`.
 */
function lettersOf(gantt: Gantt): Map<string, string> {
  const free = new Set(letters);
  return new Map(
    namesOf(gantt).map((name) => {
      const letter = [...name.toLowerCase()].find((each) => free.has(each)) ?? [...free][0] ?? '*';
      free.delete(letter);
      return [name, letter];
    }),
  );
}

function rowText({ bars }: GanttRow, length: number, cells: number, byName: ReadonlyMap<string, string>): string {
  const perMs = length > 0 ? cells / length : 0;
  const row: string[] = Array.from({ length: cells }, () => ' ');
  const share = new Float64Array(cells); // for each cell, the share of the bar that it shows
  for (const bar of bars) {
    const [from, to] = [bar.start * perMs, bar.finish * perMs];
    const letter = byName.get(bar.name)!;
    const [first, last] = [
      Math.min(cells - 1, Math.round(from)),
      Math.min(cells, Math.max(Math.round(from) + 1, Math.round(to))),
    ];
    const whole = barText(bar, letter, last - first);
    for (let cell = first; cell < last; cell++) {
      const covered = Math.max(1e-9, Math.min(to, cell + 1) - Math.max(from, cell));
      if (row[cell] !== ' ' && share[cell]! >= covered) continue;
      share[cell] = covered;
      row[cell] = whole[cell - first]!;
    }
  }
  return row.join('');
}

function barText({ id, isCritical, hasFailed }: Bar, letter: string, width: number): string {
  const fill = hasFailed ? '!' : isCritical ? '=' : '-';
  const label = [...id].every((c) => c >= ' ' && c <= '~') ? id : letter;
  if (width >= label.length + 2) return `[${label}`.padEnd(width - 1, fill) + (width > label.length + 2 ? ']' : fill);
  return (hasFailed ? '!' : isCritical ? letter.toUpperCase() : letter).repeat(width);
}

function axis(length: number, left: number, cells: number): string {
  const line = Array.from({ length: left + 2 + cells + 1 }, () => ' ');
  let free = 0;
  for (const ms of ticks(length, Math.max(1, Math.floor(cells / 16)))) {
    const label = ms === 0 ? '0' : time(ms, length);
    const at = Math.max(
      0,
      left + 2 + (length > 0 ? Math.round((ms / length) * cells) : 0) - (ms === 0 ? 0 : label.length),
    );
    if (at < free) continue;
    for (let k = 0; k < label.length; k++) line[at + k] = label[k]!;
    free = at + label.length + 1;
  }
  return line.join('').trimEnd();
}

function legend(byName: ReadonlyMap<string, string>, width: number): string[] {
  const shown = [...byName].slice(0, namesInLegend).map(([name, letter]) => `${letter} ${printable(name)}`);
  if (byName.size > namesInLegend) shown.push(`* and ${byName.size - namesInLegend} more`);
  const lines: string[] = [];
  for (const each of [...shown, '=, CAPITALS: on the critical path']) {
    const last = lines.at(-1);
    if (last !== undefined && columnsOf(last) + 3 + columnsOf(each) <= width)
      lines[lines.length - 1] = `${last}   ${each}`;
    else lines.push(shortened(each, width));
  }
  return lines;
}
