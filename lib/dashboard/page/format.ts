/** Numbers in a readable form. */

const counts = new Intl.NumberFormat('en');

export function formatCount(count: number): string {
  return counts.format(count);
}

/** At least three significant digits where they help: `740 µs`, `12.5 ms`, `3.21 s`, `4 m 05 s`, `2 h 03 m`. */
export function formatDuration(ms: number): string {
  if (!Number.isFinite(ms)) return '–';
  if (ms < 0) return `−${formatDuration(-ms)}`;
  if (ms === 0) return '0 ms';
  if (ms < 0.9995) return `${digits(ms * 1000)} µs`;
  if (ms < 999.5) return `${digits(ms)} ms`;
  if (ms < 59_950) return `${digits(ms / 1000)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} m ${pad(seconds % 60)} s`;
  const minutes = Math.round(ms / 60_000);
  return `${Math.floor(minutes / 60)} h ${pad(minutes % 60)} m`;
}

/** In powers of 1024. */
export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  let value = bytes / 1024;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${digits(value)} ${units[unit]!}`;
}

/** An amount of a resource in its usual unit: memory in MB. */
export function formatAmount(name: string, amount: number): string {
  return name === 'memory' ? `${formatCount(Math.round(amount))} MB` : digits(amount);
}

export function formatPercent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

/** The percentage of finished functions; 100 only when all are done. */
export function percentOf(done: number, total: number): number {
  return total === 0 ? 100 : Math.floor((done / total) * 100);
}

/** Functions per second. */
export function formatRate(perSecond: number): string {
  return perSecond >= 100 ? `${formatCount(Math.round(perSecond))}/s` : `${digits(perSecond)}/s`;
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`;
}

/** A time of day, by the reader's clock. */
export function formatTime(at: number): string {
  return new Date(at).toLocaleTimeString([], { hour12: false });
}

const units = ['KiB', 'MiB', 'GiB', 'TiB'];

function digits(value: number): string {
  const text = value >= 99.95 ? value.toFixed(0) : value >= 9.995 ? value.toFixed(1) : value.toFixed(2);
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
}

function pad(value: number): string {
  return String(value).padStart(2, '0');
}
