/** Iterates over the items of an array. A sparse array costs no step per hole. */

// After this many holes in a row, an array is treated as sparse.
const maxHoles = 1000;

/** Calls `visit` for each existing item, in order. An array of length 2e8 with three items costs about three steps. */
export function eachItem(list: readonly unknown[], visit: (item: unknown, index: number) => void): void {
  let holes = 0;
  for (let i = 0; i < list.length; i++) {
    const item = list[i];
    if (item !== undefined || i in list) {
      visit(item, i);
      holes = 0;
    } else if (++holes === maxHoles) {
      return eachKey(list, i, visit);
    }
  }
}

/** Visits the items after an index by their keys, which V8 keeps for a sparse array. */
function eachKey(list: readonly unknown[], after: number, visit: (item: unknown, index: number) => void): void {
  for (const key of Object.keys(list)) {
    const i = Number(key);
    if (i > after) visit(list[i], i);
  }
}
