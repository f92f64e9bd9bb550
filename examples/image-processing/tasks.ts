/** An image pipeline with sharp. Pictures travel as raw pixels in shared memory: read them, do not write them. */
import { mkdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import sharp, { type Sharp } from 'sharp';

// Parallelism is the runtime's job: each function uses only its own thread.
sharp.concurrency(1);

export interface Picture {
  readonly name: string;
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3;
  /** Pixels, row by row, `channels` bytes each. */
  readonly data: Buffer;
}

export interface Quality {
  readonly effect: string;
  readonly name: string;
  /** Standard deviation of the Laplacian: higher is sharper. */
  readonly sharpness: number;
  /** Standard deviation of what a median filter removes, on the 0–255 scale. */
  readonly noise: number;
  /** Mean luminance, 0 (black) to 1 (white). */
  readonly exposure: number;
  /** Entropy of the luminance, in bits. */
  readonly entropy: number;
}

export function loadImage(path: string): Promise<Picture> {
  const name = basename(dirname(dirname(path))).replace('datasets-img-', '');
  return toPicture(name, sharp(path).toColourspace('srgb').removeAlpha());
}

export function resizeImage(picture: Picture, width: number, height: number): Promise<Picture> {
  return changed(picture, (image) => image.resize(width, height, { fit: 'cover', position: 'attention' }));
}

export function grayscale(picture: Picture): Promise<Picture> {
  return changed(picture, (image) => image.grayscale().toColourspace('b-w'));
}

export function sepia(picture: Picture): Promise<Picture> {
  const tone: [[number, number, number], [number, number, number], [number, number, number]] = [
    [0.393, 0.769, 0.189],
    [0.349, 0.686, 0.168],
    [0.272, 0.534, 0.131],
  ];
  return changed(picture, (image) => image.recomb(tone));
}

/** @param radius of the blur, in pixels */
export function blur(picture: Picture, radius: number): Promise<Picture> {
  return changed(picture, (image) => image.blur(radius));
}

/** Edges by the Sobel operator: the magnitude of the luminance gradient. */
export async function detectEdges(picture: Picture): Promise<Picture> {
  const gray = await grayscale(picture);
  return { ...gray, data: sobel(gray) };
}

export function createThumbnail(picture: Picture, size: number): Promise<Picture> {
  return changed(picture, (image) => image.resize(size, size, { fit: 'cover' }));
}

export async function assessQuality(
  gray: readonly Picture[],
  brown: readonly Picture[],
  blurred: readonly Picture[],
  edges: readonly Picture[],
): Promise<Quality[]> {
  const effects = Object.entries({ grayscale: gray, sepia: brown, blur: blurred, edges });
  return Promise.all(effects.flatMap(([effect, pictures]) => pictures.map((picture) => assess(effect, picture))));
}

/** All effects of all pictures, one row per effect and one column per picture. */
export async function createCollage(
  gray: readonly Picture[],
  brown: readonly Picture[],
  blurred: readonly Picture[],
  edges: readonly Picture[],
  size: { readonly width: number; readonly height: number },
): Promise<Picture> {
  const rows = [gray, brown, blurred, edges];
  const gap = 10;
  const width = Math.floor((size.width - gap) / gray.length) - gap;
  const height = Math.floor((size.height - gap) / rows.length) - gap;
  // The remainder of the division goes to the margins.
  const left = Math.floor((size.width - gray.length * (width + gap) + gap) / 2);
  const top = Math.floor((size.height - rows.length * (height + gap) + gap) / 2);
  const cells = await Promise.all(
    rows.flatMap((pictures, row) =>
      pictures.map(async (picture, column) => ({
        input: await read(picture)
          .resize(width, height, { fit: 'cover' })
          .toColourspace('srgb')
          .png({ compressionLevel: 0 })
          .toBuffer(),
        left: left + column * (width + gap),
        top: top + row * (height + gap),
      })),
    ),
  );
  return toPicture(
    'collage',
    sharp({ create: { width: size.width, height: size.height, channels: 3, background: '#16161a' } }).composite(cells),
  );
}

export function saveThumbnail(picture: Picture, folder: string): Promise<string> {
  return saveImage(picture, join(folder, `thumb_${picture.name}.jpg`));
}

/** Writes a JPEG. @returns its path */
export async function saveImage(picture: Picture, path: string): Promise<string> {
  await mkdir(dirname(path), { recursive: true });
  await read(picture).jpeg({ quality: 88 }).toFile(path);
  return path;
}

function changed(picture: Picture, change: (image: Sharp) => Sharp): Promise<Picture> {
  return toPicture(picture.name, change(read(picture)));
}

function read({ data, width, height, channels }: Picture): Sharp {
  return sharp(data, { raw: { width, height, channels } });
}

async function toPicture(name: string, image: Sharp): Promise<Picture> {
  const { data, info } = await image.raw().toBuffer({ resolveWithObject: true });
  return { name, width: info.width, height: info.height, channels: info.channels as 1 | 3, data };
}

async function assess(effect: string, picture: Picture): Promise<Quality> {
  const gray = await toPicture(picture.name, read(picture).grayscale().toColourspace('b-w'));
  const smooth = await toPicture(picture.name, read(gray).median(3).toColourspace('b-w'));
  const {
    channels: [luminance],
    entropy,
  } = await read(gray).stats();
  return {
    effect,
    name: picture.name,
    entropy,
    sharpness: deviation(laplacian(gray)),
    noise: deviation(Float64Array.from(gray.data, (value, i) => value - smooth.data[i]!)),
    exposure: luminance!.mean / 255,
  };
}

function sobel({ data, width, height }: Picture): Buffer {
  const edges = Buffer.alloc(width * height);
  for (let y = 1; y < height - 1; y++) {
    for (let x = 1; x < width - 1; x++) {
      const at = y * width + x;
      const [a, b, c] = [data[at - width - 1]!, data[at - width]!, data[at - width + 1]!];
      const [d, e] = [data[at - 1]!, data[at + 1]!];
      const [f, g, h] = [data[at + width - 1]!, data[at + width]!, data[at + width + 1]!];
      edges[at] = Math.min(255, Math.hypot(c + 2 * e + h - a - 2 * d - f, f + 2 * g + h - a - 2 * b - c));
    }
  }
  return edges;
}

function laplacian({ data, width, height }: Picture): Float64Array {
  const values = new Float64Array((width - 2) * (height - 2));
  for (let y = 1, k = 0; y < height - 1; y++) {
    for (let x = 1; x < width - 1; x++, k++) {
      const at = y * width + x;
      values[k] = 4 * data[at]! - data[at - 1]! - data[at + 1]! - data[at - width]! - data[at + width]!;
    }
  }
  return values;
}

function deviation(values: Float64Array): number {
  let sum = 0;
  let squares = 0;
  for (const value of values) {
    sum += value;
    squares += value * value;
  }
  const mean = sum / values.length;
  return Math.sqrt(Math.max(0, squares / values.length - mean * mean));
}
