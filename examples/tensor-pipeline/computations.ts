/** Two computations in plain jax: they contain nothing about stages, threads or hosts. */
import { numpy as np } from '@jax-js/jax';

/** cos(x) + sin(y). */
export function waves(x: np.Array, y: np.Array): np.Array {
  return np.cos(x).add(np.sin(y));
}

/**
 * How different photographs are: the mean distance from the patches of one to the nearest patches of another, in the
 * space of a basis.
 *
 * @param patches [photographs × patches, pixels]
 * @param basis [pixels, dimensions]
 * @param count how many photographs
 */
export function unlikeness(patches: np.Array, basis: np.Array, count: number): np.Array {
  const centred = patches.ref.sub(np.mean(patches.ref, 0));
  const points = np.dot(centred.div(np.std(patches, 0).add(1e-6)), basis);
  const rows = np.split(points.ref, count).map((own) => np.mean(nearest(own, points.ref, count), 0));
  points.dispose();
  return np.stack(rows);
}

/** The distance from each point to the nearest one of each photograph. */
function nearest(own: np.Array, all: np.Array, count: number): np.Array {
  const [size = 0] = own.shape;
  const squares = np.sum(np.square(own.ref), 1, { keepdims: true }).add(np.sum(np.square(all.ref), 1));
  const distances = squares.sub(np.dot(own, np.transpose(all)).mul(2));
  return np.sqrt(np.maximum(np.min(np.reshape(distances, [size, count, size]), 2), 0));
}
