/** The functions of this example: plain exported functions that import nothing of Handoff. */

export function source(): number[] {
  return [1, 2, 3, 4, 5];
}

export function double(numbers: readonly number[]): number[] {
  return numbers.map((n) => n * 2);
}

export function sum(numbers: readonly number[], start = 0): number {
  return numbers.reduce((total, n) => total + n, start);
}
