/** The order of spec files: what takes longest starts first, so that no core waits for it in the end. */
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Measured; among the others, those that took longest in the last run here, or are largest. */
const longest = [
  'spec/hosts/cluster/failure.processes.spec.ts',
  'spec/examples.processes.spec.ts',
  'spec/dashboard/browser.browser.spec.ts',
  'spec/hosts/cluster/values.processes.spec.ts',
  'spec/hosts/cluster/membership.processes.spec.ts',
  'spec/cli/commands/node.processes.spec.ts',
  'spec/cli/output/output.processes.spec.ts',
  'spec/cli/commands/run.processes.spec.ts',
];

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const at = longest.findIndex((file) => moduleId.endsWith(file));
      return at === -1 ? longest.length : at;
    };
    return (await super.sort(files)).toSorted((a, b) => rank(a) - rank(b));
  }
}
