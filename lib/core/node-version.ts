/** Refuses to be imported by a Node that is too old, in one sentence instead of by whatever it misses first. */

/** As `engines` of package.json says. */
export const oldestNode = '22.18.0';

/** Why this Node will not do; undefined when it does. */
export function refusalOf(version: string): string | undefined {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [wantedMajor, wantedMinor] = oldestNode.split('.').map(Number) as [number, number];
  if (major > wantedMajor || (major === wantedMajor && minor >= wantedMinor)) return undefined;
  return `handoffjs needs Node ${wantedMajor}.${wantedMinor} or newer, and this is Node ${version}.`;
}

const refusal = refusalOf(process.versions.node);
if (refusal !== undefined) throw new Error(refusal);
