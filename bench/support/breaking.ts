/** Functions that end their thread, or nearly do. */

export function throwError(): never {
  throw new Error('thrown');
}

export function overflow(): number {
  return 1 + overflow();
}

export function exit(): never {
  process.exit(3);
}

export async function throwUncaught(): Promise<void> {
  setTimeout(() => {
    throw new Error('uncaught');
  });
  await new Promise(() => {});
}

export function spin(): never {
  for (;;);
}

export function hoard(): number {
  const held: number[][] = [];
  for (;;) held.push(new Array<number>(10_000).fill(held.length));
}

export function answer(): number {
  return 42;
}
