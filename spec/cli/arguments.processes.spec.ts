/** What is asked of the command: flags, arguments of the DAG's module, help and completion. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { completionScript } from '../../lib/cli/commands/completion.ts';
import { createProgram } from '../../lib/cli/program.ts';
import { Processes } from './processes.ts';

const head = `
  import { Dag, dag, tasks } from LIBRARY;
  const t = tasks<typeof import('./tasks.ts')>(new URL('./tasks.ts', import.meta.url));
`;
const processes = new Processes({
  'tasks.ts': `
    export const one = (): number => 1;
    export const next = (n: number): number => n + 1;
    export function fail(): never { throw new Error('went wrong'); }
    export async function wait(): Promise<void> { await new Promise(() => {}); }
  `,
  'struct.ts': `${head}
    export default new Dag('struct').add({ id: 'a', code: t.one, duration: 10 }).add({ id: 'b', code: t.next, args: ['a'] }).add({ id: 'c, d', code: t.next, args: ['a'] });
  `,
  'values.ts': `${head} export default (ignored = '') => dag('values', { last: t.next(t.one().with({ id: 'first' })).with({ id: 'second' }) });`,
  'rest.ts': `${head} export default (...all: string[]) => new Dag('rest').add({ id: 'a', code: t.next, extraArgs: [all.length] });`,
  'none.ts': `${head} export default () => new Dag('none').add({ id: 'a', code: t.one });`,
  'mixed.ts': `${head}
    export default new Dag('mixed').add({ id: 'fine', code: t.one }).add({ id: 'bad', code: t.fail }).add({ id: 'after', code: t.next, args: ['bad'] });
  `,
  'endless.ts': `${head} export default new Dag('endless').add({ id: 'waits', code: t.wait });`,
});
const quiet = ['--no-progress'] as const;

describe('arguments of the module', () => {
  it.each([
    ['a DAG', 'struct.ts', ['5'], 'struct.ts exports a DAG, which takes no arguments, but got "5".'],
    ['a function of none', 'none.ts', ['5'], 'takes no arguments, but got 1: "5".'],
    ['a function of one', 'values.ts', ['5', '6'], 'takes 1 argument, but got 2: "5" "6".'],
  ])('are refused where %s would ignore them', async (_, file, args, message) => {
    const { code, stdout, stderr } = await processes.command(['run', file, ...quiet, ...args]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(message);
  });

  it('may be any number for a function with rest parameters', async () => {
    expect(await processes.command(['run', 'rest.ts', ...quiet, '--', '1', '2', '3'])).toMatchObject({
      code: 0,
      stdout: 'a: 4\n',
    });
  });
});

describe('handoff run', () => {
  it.each([
    ['all results', 'values.ts', ['--collect', 'all'], 'first: 1\nsecond: 2\n'],
    ['those that no function depends on', 'values.ts', ['--collect', 'sinks'], 'second: 2\n'],
    ['those of some ids', 'struct.ts', ['--collect', 'a,b'], 'a: 1\nb: 2\n'],
    ['that of an id with a comma', 'struct.ts', ['--collect', 'c, d', '--collect', 'a'], 'a: 1\nc, d: 2\n'],
  ])('prints %s that --collect asks for', async (_, file, flags, stdout) => {
    expect(await processes.command(['run', file, ...quiet, ...flags])).toMatchObject({ code: 0, stdout });
  });

  it('ends after --timeout', async () => {
    expect(await processes.command(['run', 'endless.ts', ...quiet, '--timeout', '200'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('RUN_TIMEOUT') as string,
    });
  });

  it('tries again as often as --max-retries says', async () => {
    expect((await processes.command(['run', 'mixed.ts', ...quiet, '--max-retries', '1'])).stderr).toContain(
      'after 2 attempts',
    );
  });

  it('with --failure-policy continue prints the results of what succeeded and the failures', async () => {
    const { code, stdout, stderr } = await processes.command([
      'run',
      'mixed.ts',
      ...quiet,
      '--max-retries',
      '0',
      '--failure-policy',
      'continue',
      '--collect',
      'all',
      '--json',
    ]);
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({
      dagId: 'mixed',
      results: { fine: 1 },
      failures: [{ code: 'FUNCTION_FAILED', functionId: 'bad' }],
    });
    expect(stderr).toContain('FUNCTION_FAILED');
  });

  it('limits the functions that run at once to --max-concurrency', async () => {
    const summary = join(processes.folder, 'one.json');
    expect(
      (
        await processes.command([
          'run',
          'struct.ts',
          ...quiet,
          '--max-concurrency',
          '1',
          '--nodes',
          'n:cpu=4,threads=2',
          '--summary',
          summary,
        ])
      ).code,
    ).toBe(0);
    expect((await processes.command(['run', 'struct.ts', ...quiet, '--max-concurrency', '0'])).stderr).toMatch(
      /maxConcurrency must be .*1/,
    );
  });

  it.each([
    ['--timeout', 'soon'],
    ['--max-retries', 'many'],
    ['--failure-policy', 'panic'],
  ])('refuses %s %s', async (flag, value) => {
    const { code, stderr } = await processes.command(['run', 'struct.ts', flag, value]);
    expect(code).toBe(2);
    expect(stderr).toContain(flag);
    expect(stderr).toContain(value);
  });
});

describe('handoff plan', () => {
  it('marks assumed durations as assumed', async () => {
    const { code, stdout } = await processes.command(['plan', 'struct.ts', '--nodes', 'n:cpu=1']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^function +node +start ms +finish ms +duration$/m);
    expect(stdout).toMatch(/^a +n +0 +10$/m);
    expect(stdout).toMatch(/^b +n .*assumed$/m);
    expect(stdout).toContain('2 of 3 durations are unknown, and each is assumed to be 1 ms');
    const { stdout: json } = await processes.command(['plan', 'struct.ts', '--nodes', 'n:cpu=1', '--json']);
    expect((JSON.parse(json) as { assumed: string[] }).assumed.toSorted()).toEqual(['b', 'c, d']);
  });
});

describe('handoff graph', () => {
  it.each([[['--join', '127.0.0.1:1']], [['--secret-file', 'x']], [['--nodes', 'a']]])(
    'refuses %s without --plan, because it would have no effect',
    async (flags) => {
      const { code, stderr } = await processes.command(['graph', 'struct.ts', ...flags]);
      expect({ code, stderr }).toEqual({ code: 2, stderr: `${flags[0]} has no effect without --plan. Add --plan.\n` });
    },
  );
});

const program = createProgram(() => {});
const command = (name: string): (typeof program)['commands'][number] =>
  program.commands.find((each) => each.name() === name)!;
const flagsOf = (name: string): string[] => command(name).options.map(({ long }) => long!);

describe('help', () => {
  it('lists for each command only flags that it uses', () => {
    expect(flagsOf('plan')).not.toContain('--listen');
    expect(flagsOf('graph')).not.toContain('--listen');
    for (const name of ['nodes', 'dashboard']) expect(flagsOf(name)).not.toContain('--root');
    expect(command('graph').helpInformation()).toMatch(/With --plan:\n +--nodes/);
    expect(flagsOf('plot')).toEqual(['--svg']);
  });

  it('says each default once', () => {
    for (const { helpInformation, options } of [...program.commands].map((each) => ({
      helpInformation: each.helpInformation(),
      options: each.options,
    }))) {
      for (const { description, defaultValue } of options)
        if (defaultValue !== undefined) expect(description, helpInformation).not.toMatch(/default/);
    }
  });
});

describe('completion', () => {
  const has = (shell: string): boolean => spawnSync(shell, ['-c', 'true']).status === 0;
  const script = (shell: string): string => {
    const file = join(processes.folder, `completion.${shell}`);
    writeFileSync(file, completionScript(program, shell));
    return file;
  };

  describe.skipIf(!has('bash'))('in bash', () => {
    const complete = (...words: string[]): string[] => {
      const { stdout, stderr } = spawnSync(
        'bash',
        [
          '-c',
          'source "$1"; source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); compopt() { :; }; _handoff; printf "%s\\n" "${COMPREPLY[@]}"',
          'bash',
          script('bash'),
          'handoff',
          ...words,
        ],
        { encoding: 'utf8' },
      );
      expect(stderr).toBe('');
      return stdout.split('\n').filter((each) => each !== '');
    };

    it.each([
      ['commands', ['pl'], ['plan', 'plot']],
      ['flags of a command', ['run', 'dag.ts', '--max'], ['--max-retries', '--max-concurrency']],
      ['no flags of others', ['plot', '--m'], []],
      ['values of a flag', ['run', '--failure-policy', ''], ['fail-fast', 'continue']],
      ['shells', ['completion', 'z'], ['zsh']],
      ['nothing of its own where a file stands', ['run', 'da'], []],
      ['nothing that was typed as a command', ['run', '$(touch /tmp/never)', '--js'], ['--json']],
    ])('completes %s', (_, words, expected) => {
      expect(complete(...words)).toEqual(expected);
    });
  });

  it.skipIf(!has('fish'))('completes in fish', () => {
    const complete = (line: string): string =>
      spawnSync('fish', ['--no-config', '-c', `source ${script('fish')}; complete -C ${JSON.stringify(line)}`], {
        encoding: 'utf8',
      }).stdout;
    expect(complete('handoff pl')).toMatch(/^plan\t.*\nplot\t.*\n$/);
    expect(complete('handoff run x --failure-policy ')).toMatch(/^continue\t.*\nfail-fast\t.*\n$/);
    expect(complete('handoff run --max')).toMatch(/^--max-concurrency\t.*\n--max-retries\t.*\n$/);
  });

  it.skipIf(!has('zsh'))('is a script that zsh takes', () => {
    expect(
      spawnSync(
        'zsh',
        [
          '-f',
          '-c',
          'autoload -Uz compinit; compinit -u -D; source "$1" && print -r -- $_comps[handoff]',
          'zsh',
          script('zsh'),
        ],
        { encoding: 'utf8' },
      ),
    ).toMatchObject({ stdout: '_handoff\n', stderr: '' });
  });

  it('is printed by the command, and not for a shell that it does not know', async () => {
    expect((await processes.run(['completion', 'bash'])).stdout).toBe(completionScript(program, 'bash'));
    expect(await processes.command(['completion', 'tcsh'])).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringContaining('bash, zsh, fish') as string,
    });
  });
});
