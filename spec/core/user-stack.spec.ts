import { describe, expect, it } from 'vitest';
import { userStackOf } from '../../lib/core/user-stack.ts';

const folder = 'file:///app/node_modules/handoffjs/dist/';
const own = `    at invoke (${folder}chunks/thread.js:1:51383)`;
const node = '    at process.processTicksAndRejections (node:internal/process/task_queues:105:5)';
const user = '    at load (file:///app/tasks.ts:7:9)';

describe('the stack of user code', () => {
  it('ends at the outermost frame of user code', () => {
    expect(userStackOf(['Error: x', user, own, node].join('\n'), folder)).toBe(`Error: x\n${user}`);
  });

  it('keeps frames of the library and of Node between frames of user code', () => {
    const stack = ['Error: x', user, own, node, user];
    expect(userStackOf([...stack, own].join('\n'), folder)).toBe(stack.join('\n'));
  });

  it('keeps a stack without a frame of user code', () => {
    const stack = ['Error: x', own, node].join('\n');
    expect(userStackOf(stack, folder)).toBe(stack);
  });

  it('keeps a message that looks like a frame, and text without frames', () => {
    expect(userStackOf('Error: x\n  of two lines', folder)).toBe('Error: x\n  of two lines');
    expect(userStackOf('', folder)).toBe('');
  });

  it('drops the frames of this library from an error that crossed it', () => {
    const here = new Error('x').stack!;
    const crossed = `${here.split('\n').slice(0, 2).join('\n')}\n    at f (${new URL('../../lib/core/copy.ts', import.meta.url).href}:1:1)`;
    expect(userStackOf(crossed)).toBe(here.split('\n').slice(0, 2).join('\n'));
  });
});
