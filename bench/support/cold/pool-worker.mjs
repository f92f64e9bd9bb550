/** For pools: runs one task. */
export default function run() {
  return 1;
}
