/** CPU-bound functions with inner loops, which V8 likes to inline into their caller. */

export function primes(limit: number, seed: number): number {
  let found = seed & 1;
  for (let n = 2; n < limit * 10; n++) {
    let prime = true;
    for (let d = 2; d * d <= n; d++) {
      if (n % d === 0) {
        prime = false;
        break;
      }
    }
    if (prime) found++;
  }
  return found;
}

export function matrix(size: number, seed: number): number {
  const a = Float64Array.from({ length: size }, (_, i) => i + seed);
  let sum = 0;
  for (let i = 0; i < size; i++) for (let k = 0; k < size; k++) sum += a[i]! * a[k]!;
  return sum;
}

export function texts(count: number, seed: number): number {
  const words = new Map<string, number>();
  for (let i = 0; i < count * 5; i++) {
    const word = `w${(i * 7 + seed) % 97}`;
    words.set(word, (words.get(word) ?? 0) + 1);
  }
  return words.size;
}
