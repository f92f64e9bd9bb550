/** Shared parts of SVG drawings: escaped text, colours, and axes with round numbers. */

/** Escapes text for markup and attributes, so that names of functions cannot inject markup. */
export function escapeXml(text: string): string {
  // XML cannot represent these characters at all.
  return (
    text
      // eslint-disable-next-line no-control-regex -- these are the characters to replace
      .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '�')
      .replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`)
  );
}

/** An element. Undefined attributes are left out. */
export function element(
  name: string,
  attributes: Readonly<Record<string, string | number | undefined>>,
  ...inside: readonly string[]
): string {
  const written = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}="${typeof value === 'number' ? round(value) : escapeXml(value!)}"`)
    .join('');
  return inside.length === 0 ? `<${name}${written}/>` : `<${name}${written}>${inside.join('')}</${name}>`;
}

export function round(value: number): number {
  return Math.round(value * 100) / 100;
}

/** Colours for colour-blind readers (Okabe and Ito 2008), then darker variants. Further names start over. */
export const palette = [
  '#0072b2',
  '#e69f00',
  '#009e73',
  '#cc79a7',
  '#56b4e9',
  '#d55e00',
  '#999999',
  '#f0e442',
  '#003d5f',
  '#8f6200',
  '#005e45',
  '#8a4d72',
  '#2a6f96',
  '#873b00',
  '#555555',
  '#8d850f',
] as const;

/** Black or white, whichever has more contrast on the colour. */
export function inkOn(colour: string): string {
  const [r, g, b] = [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16)) as [number, number, number];
  return 0.299 * r + 0.587 * g + 0.114 * b > 140 ? '#111111' : '#ffffff';
}

/** About `count` round numbers from 0 to at most `end`. */
export function ticks(end: number, count: number): number[] {
  if (!(end > 0)) return [0];
  const rough = end / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((each) => each >= rough * 0.999)!;
  return Array.from({ length: Math.floor(end / step + 1e-9) + 1 }, (_, i) => Number((i * step).toPrecision(12)));
}

/** Approximate width of a text; there is no font to measure. */
export function widthOf(text: string, size: number): number {
  return [...text].length * size * 0.58;
}

/** The text, cut with an ellipsis if it does not fit. */
export function fitted(text: string, width: number, size: number): string {
  const most = Math.floor(width / (size * 0.58));
  const characters = [...text];
  return characters.length <= most ? text : most < 2 ? '' : `${characters.slice(0, most - 1).join('')}…`;
}

/** ms in the unit that suits the longest value: `time(250, 4000)` is `0.25 s`. */
export function time(ms: number, longest: number): string {
  if (longest < 1) return `${Number((ms * 1000).toPrecision(3))} µs`;
  if (longest < 10_000) return `${Number(ms.toPrecision(4))} ms`;
  return longest < 600_000 ? `${Number((ms / 1000).toPrecision(4))} s` : `${Number((ms / 60_000).toPrecision(4))} min`;
}
