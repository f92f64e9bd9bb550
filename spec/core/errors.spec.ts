import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fromErrorWire, toErrorWire } from '../../lib/core/error-wire.ts';
import { errorCodes, HandoffError, isHandoffError } from '../../lib/index.ts';

describe('HandoffError', () => {
  it('has a code, a message, a cause, and details as own fields', () => {
    const cause = new Error('beneath');
    const error = new HandoffError('MISSING_FUNCTION', 'no x', { functionId: 'a', missing: 'x', cause });
    expect(error).toBeInstanceOf(Error);
    expect(error).toBeInstanceOf(HandoffError);
    expect(error).toMatchObject({
      name: 'HandoffError',
      code: 'MISSING_FUNCTION',
      message: 'no x',
      functionId: 'a',
      missing: 'x',
      cause,
    });
    expect(Object.keys(error)).toEqual(['code', 'functionId', 'missing']);
    expect('cause' in new HandoffError('STOPPED', 'x')).toBe(false);
  });

  it('is recognised across copies of the package', () => {
    const foreign = Object.assign(Object.create(Error.prototype) as Error, {
      [Symbol.for('handoffjs.error')]: true,
      code: 'STOPPED',
    });
    expect(foreign).toBeInstanceOf(HandoffError);
    expect(isHandoffError(foreign, 'STOPPED')).toBe(true);
    expect(isHandoffError(foreign, 'ABORTED')).toBe(false);
    expect(isHandoffError(new Error('x'))).toBe(false);
    class Sub extends HandoffError {}
    expect(foreign).not.toBeInstanceOf(Sub);
    expect(new Sub('STOPPED', 'x')).toBeInstanceOf(Sub);
  });
});

describe('the wire form', () => {
  const travel = (thrown: unknown): any => fromErrorWire(structuredClone(toErrorWire(thrown)));

  it('keeps class, name, message, stack, code, fields and cause', () => {
    class Deep extends SyntaxError {}
    class MyError extends TypeError {
      override name = 'Renamed';
      code = 'E_MY';
      when = new Date(5);
    }
    const error = new MyError('text', { cause: new Deep('why', { cause: 'plain' }) });
    const back = travel(error);
    expect(back).toBeInstanceOf(TypeError);
    expect(back.constructor.name).toBe('MyError');
    expect(back).toMatchObject({ name: 'Renamed', message: 'text', code: 'E_MY', when: new Date(5) });
    expect(back.stack).toBe(error.stack);
    expect(back.cause).toBeInstanceOf(SyntaxError);
    expect(back.cause).toMatchObject({ name: 'Deep', message: 'why', cause: 'plain' });
    expect(Object.keys(back).sort()).toEqual(['code', 'when']);
  });

  it('names a class that never set a name', () => {
    class Unnamed extends Error {}
    const back = travel(new Unnamed('x'));
    expect(back.name).toBe('Unnamed');
    expect(back.stack).toMatch(/^Unnamed: x\n/);
    expect(travel(new RangeError('x')).name).toBe('RangeError');
  });

  it('keeps a HandoffError one', () => {
    const back = travel(new HandoffError('FUNCTION_TIMEOUT', 'late', { timeout: 5, cause: new Error('c') }));
    expect(back).toBeInstanceOf(HandoffError);
    expect(back).toMatchObject({ code: 'FUNCTION_TIMEOUT', timeout: 5, cause: { message: 'c' } });
  });

  it('keeps what can be copied of fields, replaces the rest by its text, and never throws', () => {
    const error = Object.assign(new Error('x'), {
      fn: () => 1,
      symbol: Symbol('s'),
      request: { url: '/a', headers: ['b'], validate() {} },
    });
    const back = travel(error);
    expect(back.fn).toContain('() => 1');
    expect(back.symbol).toBe('Symbol(s)');
    expect(back.request).toEqual({ url: '/a', headers: ['b'] });
    const hostile = Object.defineProperty(new Error('x'), 'boom', {
      enumerable: true,
      get() {
        throw new Error('no');
      },
    });
    expect(travel(hostile)).toMatchObject({ message: 'x', boom: '[cannot be read: no]' });
    const { proxy, revoke } = Proxy.revocable(new Error('y'), {});
    revoke();
    expect(travel(proxy)).toContain('cannot be read');
  });

  it('keeps a Buffer one, as the output of a child process is', () => {
    const { stderr } = travel(Object.assign(new Error('failed'), { stderr: Buffer.from('oops') }));
    expect(Buffer.isBuffer(stderr)).toBe(true);
    expect(String(stderr)).toBe('oops');
  });

  it('keeps circles, and takes each error once however they refer to each other', () => {
    const circular = new Error('loop');
    circular.cause = circular;
    const back = travel(circular);
    expect(back.cause).toBe(back);
    const all = new AggregateError([], 'all');
    all.errors = Array.from({ length: 50 }, (_, i) => new Error(`e${i}`, { cause: all }));
    const { errors } = travel(all);
    expect(errors).toHaveLength(50);
    expect(errors[7].cause.errors[7]).toBe(errors[7]);
  });

  it.each([[undefined], [null], [7], ['text'], [{ a: 1 }]])('passes on a thrown %j', (value) => {
    expect(travel(value)).toEqual(value);
  });
});

it('every code is in the reference with its meaning, and the reference names no other', () => {
  const page = readFileSync(new URL('../../.github/docs/reference/errors.md', import.meta.url), 'utf8');
  const rows = [...page.matchAll(/^\| `([A-Z_]+)` \| (.+?) \|$/gm)].map(([, code, meaning]) => [code, meaning]);
  expect(Object.fromEntries(rows)).toEqual(errorCodes);
});
