/** Refuses to run on an old Node with one clear sentence, instead of the error of the first missing feature. */

/** Equal to `engines` in package.json. */
export const oldestNode = '22.18.0';

/** Why this version of Node is too old; undefined if it is not. */
export function refusalOf(version: string): string | undefined {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [wantedMajor, wantedMinor] = oldestNode.split('.').map(Number) as [number, number];
  if (major > wantedMajor || (major === wantedMajor && minor >= wantedMinor)) return undefined;
  return `handoffjs needs Node ${wantedMajor}.${wantedMinor} or newer, and this is Node ${version}.`;
}

const refusal = refusalOf(process.versions.node);
if (refusal !== undefined) throw new Error(refusal);
