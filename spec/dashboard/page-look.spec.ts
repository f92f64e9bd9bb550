/** How the dashboard's page looks: colours that everybody can tell apart and read, and numbers as people write them. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  backgrounds,
  contrast,
  dangers,
  inkOn,
  lookOf,
  looks,
  palettes,
  placesOf,
  toLinear,
  type Theme,
} from '../../lib/dashboard/page/colors.ts';
import {
  formatAmount,
  formatBytes,
  formatCount,
  formatDuration,
  formatRate,
  percentOf,
  plural,
} from '../../lib/dashboard/page/format.ts';

describe('colours', () => {
  const themes: readonly Theme[] = ['light', 'dark'];

  it('follow from the name alone, so that a run has the same ones tomorrow', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string({ minLength: 1 }), { maxLength: 40 }), (names) => {
        const places = new Map(names.map((name, i) => [name, placesOf(names)[i]]));
        const other = names.toReversed();
        expect(new Map(other.map((name, i) => [name, placesOf(other)[i]]))).toEqual(places);
      }),
    );
  });

  it('are all different up to sixteen names, the last eight of them hatched', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string({ minLength: 1 }), { maxLength: 16 }), (names) => {
        const places = placesOf(names);
        expect(new Set(places).size).toBe(names.length);
        expect([...places].filter((place) => lookOf(place, 'light').isHatched).length).toBe(
          Math.max(names.length - 8, 0),
        );
      }),
    );
    expect(Math.max(...placesOf(Array.from({ length: 100 }, (_, i) => `f${i}`)))).toBe(looks - 1);
  });

  it.each(themes)('stand out from the background in %s, and carry text that can be read', (theme) => {
    for (const color of palettes[theme]) {
      expect(contrast(color, backgrounds[theme])).toBeGreaterThanOrEqual(3);
      expect(contrast(color, inkOn(color))).toBeGreaterThanOrEqual(4.5);
    }
    expect(contrast(dangers[theme], backgrounds[theme])).toBeGreaterThanOrEqual(4.5);
  });

  it.each(themes)('can be distinguished in %s, also by the colour-blind', (theme) => {
    const colors = [...palettes[theme], dangers[theme]];
    for (const [kind, matrix] of Object.entries(visions)) {
      for (const [i, a] of colors.entries()) {
        for (const b of colors.slice(i + 1))
          expect(distance(seen(a, matrix), seen(b, matrix)), `${a} and ${b}, ${kind}`).toBeGreaterThan(0.085);
      }
    }
  });

  it('of text in style.css have the contrast of WCAG AA on what they stand on', () => {
    const style = readFileSync(new URL('../../lib/dashboard/page/style.css', import.meta.url), 'utf8');
    const blocks = [style.indexOf(':root {'), style.indexOf(":root[data-theme='dark'] {")];
    for (const [k, theme] of themes.entries()) {
      const block = style.slice(blocks[k]!, style.indexOf('}', blocks[k]!));
      const of = (name: string): string => new RegExp(`--${name}: (#[0-9a-f]{6})`).exec(block)![1]!;
      expect(of('surface')).toBe(backgrounds[theme]);
      expect(of('danger')).toBe(dangers[theme]);
      const pairs: [string, string][] = [
        ...['ink', 'quiet', 'accent', 'done', 'danger', 'warning'].map((name): [string, string] => [name, 'surface']),
        ['quiet', 'stripe'],
        ['accent', 'accent-soft'],
        ['done', 'done-soft'],
        ['danger', 'danger-soft'],
        ['warning', 'warning-soft'],
        ['ink', 'accent-soft'],
        ['ink', 'danger-soft'],
        ['accent', 'danger-soft'],
        ['quiet', 'accent-soft'],
      ];
      for (const [text, ground] of pairs)
        expect(contrast(of(text), of(ground)), `${theme}: ${text} on ${ground}`).toBeGreaterThanOrEqual(4.5);
    }
  });

  it('are the same in style.css whether the system or the reader wants them dark', () => {
    const style = readFileSync(new URL('../../lib/dashboard/page/style.css', import.meta.url), 'utf8');
    const variables = (from: number): string[] =>
      [...style.slice(from, style.indexOf('}', from)).matchAll(/--[\w-]+: [^;]+/g)].map(String);
    expect(variables(style.indexOf(":root:not([data-theme='light'])"))).toEqual(
      variables(style.indexOf(":root[data-theme='dark']")),
    );
  });
});

describe('numbers', () => {
  it.each([
    [formatDuration(0), '0 ms'],
    [formatDuration(0.0123), '12.3 µs'],
    [formatDuration(0.74), '740 µs'],
    [formatDuration(0.9996), '1 ms'],
    [formatDuration(12.34), '12.3 ms'],
    [formatDuration(999.9), '1 s'],
    [formatDuration(3210), '3.21 s'],
    [formatDuration(59_960), '1 m 00 s'],
    [formatDuration(245_000), '4 m 05 s'],
    [formatDuration(7_380_000), '2 h 03 m'],
    [formatDuration(-5), '−5 ms'],
    [formatDuration(Number.NaN), '–'],
    [formatBytes(0), '0 B'],
    [formatBytes(1536), '1.5 KiB'],
    [formatBytes(64 * 2 ** 20), '64 MiB'],
    [formatBytes(1023.9 * 1024), '1 MiB'],
    [formatAmount('memory', 16_000), '16,000 MB'],
    [formatAmount('cpu', 1.5), '1.5'],
    [formatRate(21_300.4), '21,300/s'],
    [formatRate(0.5), '0.5/s'],
    [formatCount(1_234_567), '1,234,567'],
    [percentOf(1, 3), 33],
    [percentOf(999, 1000), 99],
    [percentOf(1000, 1000), 100],
    [percentOf(0, 0), 100],
    [plural(1, 'function'), '1 function'],
    [plural(1200, 'function'), '1,200 functions'],
  ])('writes %s', (text, wanted) => expect(text).toBe(wanted));
});

/**
 * How colours look to those who lack a kind of cone: Machado, Oliveira and Fernandes, 2009, severity 1, on linear RGB.
 */
const visions: Readonly<Record<string, readonly number[]>> = {
  normal: [1, 0, 0, 0, 1, 0, 0, 0, 1],
  protanopia: [0.152286, 1.052583, -0.204868, 0.114503, 0.786281, 0.099216, -0.003882, -0.048116, 1.051998],
  deuteranopia: [0.367322, 0.860646, -0.227968, 0.280085, 0.672501, 0.047413, -0.01182, 0.04294, 0.968881],
  tritanopia: [1.255528, -0.076749, -0.178779, -0.078411, 0.930809, 0.147602, 0.004733, 0.691367, 0.3039],
};

/** In OKLab, where distances are as the eye has them. */
function seen(color: string, matrix: readonly number[]): number[] {
  const light = toLinear(color);
  const [r, g, b] = [0, 3, 6].map((row) =>
    Math.min(Math.max(matrix[row]! * light[0] + matrix[row + 1]! * light[1] + matrix[row + 2]! * light[2], 0), 1),
  ) as [number, number, number];
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ];
}

function distance(a: readonly number[], b: readonly number[]): number {
  return Math.hypot(a[0]! - b[0]!, a[1]! - b[1]!, a[2]! - b[2]!);
}
