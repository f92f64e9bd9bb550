/** The functions of the web server example in the form Piscina calls: one argument, and one function for all. */
import { frequent, readability, report, words } from '../../examples/web-server/tasks.ts';

const tasks = { frequent, readability, report, words };

export default function run([name, args]: [keyof typeof tasks, readonly unknown[]]): unknown {
  return (tasks[name] as (...given: readonly unknown[]) => unknown)(...args);
}
