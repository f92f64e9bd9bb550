/**
 * The colour of a function name: derived from the name, so the same in every run. Eight colours, plain and hatched,
 * because readers cannot distinguish more. They are distinct for all three kinds of colour blindness and have a
 * contrast of 3:1 to the background; a spec checks both.
 */

/** By theme. Equal positions have the same hue in both themes. */
export const palettes = {
  light: ['#304d8a', '#dd7205', '#008162', '#ad62a4', '#7a43c3', '#8f9875', '#7e240a', '#029be0'],
  dark: ['#3668e3', '#ffab00', '#3ab39e', '#9e669a', '#b587fd', '#c3d1ad', '#ae4024', '#28deff'],
} as const;

export type Theme = keyof typeof palettes;

/** The background of the palettes, and the colour of failures; as in style.css. */
export const backgrounds = { light: '#ffffff', dark: '#15171b' } as const;
export const dangers = { light: '#c4281c', dark: '#ff6b5e' } as const;

/** The number of distinct looks. */
export const looks = 2 * palettes.light.length;

export interface Look {
  readonly color: string;
  readonly isHatched: boolean;
}

/** @param place as returned by `placesOf` */
export function lookOf(place: number, theme: Theme): Look {
  const palette = palettes[theme];
  return { color: palette[place % palette.length]!, isHatched: place >= palette.length };
}

/**
 * By name: its position among the looks. A name whose colour is taken gets the next free one, in alphabetical order.
 * When all are taken, colours are hatched; beyond sixteen names, looks are shared.
 */
export function placesOf(names: readonly string[]): Uint8Array {
  const size = palettes.light.length;
  const places = new Uint8Array(names.length);
  const uses = new Uint16Array(size);
  let round = 0;
  const inOrder = names.map((_, i) => i).sort((a, b) => (names[a]! < names[b]! ? -1 : 1));
  for (const i of inOrder) {
    if (uses.every((count) => count > round)) round++;
    let place = hash(names[i]!) % size;
    while (uses[place]! > round) place = (place + 1) % size;
    uses[place]!++;
    places[i] = (round % 2) * size + place;
  }
  return places;
}

/** Black or white, whichever is more readable on a colour; the contrast is always above 4.5. */
export function inkOn(color: string): '#000000' | '#ffffff' {
  return contrast(color, '#000000') >= contrast(color, '#ffffff') ? '#000000' : '#ffffff';
}

/** The contrast ratio of WCAG 2: 1 to 21. */
export function contrast(a: string, b: string): number {
  const [darker, lighter] = [luminance(a), luminance(b)].sort((x, y) => x - y) as [number, number];
  return (lighter + 0.05) / (darker + 0.05);
}

/** Red, green and blue as linear light, 0 to 1. */
export function toLinear(color: string): [number, number, number] {
  return [1, 3, 5].map((at) => {
    const value = Number.parseInt(color.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
}

function luminance(color: string): number {
  const [red, green, blue] = toLinear(color);
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/** FNV-1a, 32 bits. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  return value >>> 0;
}
