/** The time that processes of different days share. It may be set, so it only orders runs and ages them. */
export function wallClock(): number {
  return Date.now();
}
