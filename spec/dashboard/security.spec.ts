import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Dashboard, startDashboard } from '../../lib/dashboard/dashboard.ts';
import { checkAccess, type Visit } from '../../lib/dashboard/guard.ts';
import { resolveDashboard } from '../../lib/runtime/options/dashboard-options.ts';
import { thrownBy } from '../support/handoff.ts';
import { ask, chainGraph, FakeSource, started, Stream } from './support.ts';

const token = 'a-token-that-is-long-and-random';

interface Served {
  readonly source: FakeSource;
  readonly dashboard: Dashboard;
  readonly authority: string;
  readonly run: string;
}

function useDashboard(given: string | undefined): () => Served {
  let served: Served;
  beforeAll(async () => {
    const source = new FakeSource();
    const dashboard = await startDashboard(source, { host: '127.0.0.1', port: 0, token: given });
    source.tell(started(chainGraph('d', 3)));
    const headers = given === undefined ? {} : { authorization: `Bearer ${given}` };
    const stream = new Stream(dashboard.url, undefined, headers);
    await stream.until(() => stream.of('runs').length > 0);
    stream.close();
    served = { source, dashboard, authority: new URL(dashboard.url).host, run: stream.of('runs')[0]!.runs[0]!.key };
  });
  afterAll(() => served.dashboard.stop());
  return () => served;
}

describe('a dashboard without a token', () => {
  const served = useDashboard(undefined);
  const get = (path: string, headers: Readonly<Record<string, string>> = {}): ReturnType<typeof ask> =>
    ask(served().dashboard.url, path, { headers });
  const paths = (): string[] => [
    '/',
    '/page/main.js',
    `/api/runs/${served().run}/graph`,
    `/api/runs/${served().run}/functions/0`,
    '/api/events',
    '/nothing',
  ];

  it('serves its page, with a policy that lets it run nothing else', async () => {
    const { status, headers, body } = await get('/');
    expect(status).toBe(200);
    const [, importMap = ''] = /<script type="importmap">(.*?)<\/script>/.exec(body)!;
    const policy = headers['content-security-policy'] as string;
    expect(policy).toContain(`script-src 'self' 'sha256-${createHash('sha256').update(importMap).digest('base64')}'`);
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toContain('unsafe');
    expect(body.match(/<script/g)).toHaveLength(2); // the import map, and the entry by its address
    expect(headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
    });
    for (const path of Object.values((JSON.parse(importMap) as { imports: Record<string, string> }).imports))
      expect(await get(path.slice(1))).toMatchObject({ status: 200 });
  });

  it('refuses requests for a host name that is not its own', async () => {
    const { authority } = served();
    const { port } = new URL(served().dashboard.url);
    for (const host of [
      'evil.example',
      `evil.example:${port}`,
      `127.0.0.1.evil.example:${port}`,
      'localhost.evil.example',
      '10.0.0.1',
      '0.0.0.0',
      'a b',
      `${authority},evil.example`,
    ]) {
      for (const path of paths()) expect(await get(path, { host }), `${host} ${path}`).toMatchObject({ status: 403 });
    }
    // As a tunnel to it may be called.
    for (const host of [authority, `localhost:${port}`, 'LOCALHOST', '127.0.0.1:1', '[::1]:1'])
      expect(await get('/', { host }), host).toMatchObject({ status: 200 });
  });

  it('refuses pages of other sites, whatever they ask for', async () => {
    const { authority, dashboard, run, source } = served();
    for (const origin of [
      'http://evil.example',
      'null',
      'http://127.0.0.1',
      'http://127.0.0.1:1',
      `http://${authority}.evil.example`,
      `ftp://${authority}`,
      `http://${authority}/`,
    ]) {
      for (const path of paths())
        expect(await get(path, { origin }), `${origin} ${path}`).toMatchObject({ status: 403 });
      expect(
        await ask(dashboard.url, `/api/runs/${run}/cancel`, { method: 'POST', headers: { origin, 'x-handoff': '1' } }),
        origin,
      ).toMatchObject({ status: 403 });
      expect(
        await ask(dashboard.url, `/api/runs/${run}/cancel`, {
          method: 'OPTIONS',
          headers: { origin, 'access-control-request-headers': 'x-handoff' },
        }),
        origin,
      ).toMatchObject({ status: 403 });
    }
    for (const path of paths()) {
      const answer = await get(path, {
        'sec-fetch-site': 'cross-site',
        'sec-fetch-mode': 'no-cors',
        'sec-fetch-dest': 'script',
      });
      expect(answer, path).toMatchObject({ status: 403 });
      expect(answer.headers['access-control-allow-origin']).toBeUndefined();
    }
    expect(source.cancelled).toEqual([]);
    expect(await get('/', { origin: `http://${authority}`, 'sec-fetch-site': 'same-origin' })).toMatchObject({
      status: 200,
    });
    expect(
      await get('/', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' }),
    ).toMatchObject({ status: 200 });
    expect(
      await get('/', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'iframe' }),
    ).toMatchObject({ status: 403 });
  });

  it('cancels for a POST with its header, and for nothing else', async () => {
    const { dashboard, run, source } = served();
    const path = `/api/runs/${run}/cancel`;
    expect(await ask(dashboard.url, path, { method: 'POST' })).toMatchObject({
      status: 403,
      body: expect.stringContaining('x-handoff') as string,
    });
    expect(
      await ask(dashboard.url, path, {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: 'x-handoff=1',
      }),
    ).toMatchObject({ status: 403 });
    for (const method of ['GET', 'PUT', 'DELETE'])
      expect(await ask(dashboard.url, path, { method, headers: { 'x-handoff': '1' } })).toMatchObject({
        status: 405,
        headers: { allow: 'POST' },
      });
    expect(source.cancelled).toEqual([]);
    expect(
      await ask(dashboard.url, '/api/runs/other/cancel', { method: 'POST', headers: { 'x-handoff': '1' } }),
    ).toMatchObject({ status: 404 });
    expect(await ask(dashboard.url, path, { method: 'POST', headers: { 'x-handoff': '1' } })).toMatchObject({
      status: 202,
    });
    expect(source.cancelled).toEqual(['local d']);
    for (const method of ['POST', 'PUT', 'DELETE'])
      expect(await ask(dashboard.url, '/', { method, headers: { 'x-handoff': '1' } })).toMatchObject({ status: 405 });
  });

  it('serves no file but those of its page, whatever the path', async () => {
    const up = [
      '../',
      '..%2f',
      '%2e%2e/',
      '%2e%2e%2f',
      '..%5c',
      '..\\',
      '%252e%252e%252f',
      '..;/',
      '../',
      '....//',
      '%c0%ae%c0%ae/',
    ];
    for (const dots of up) {
      for (const base of ['/', '/page/', '/vendor/', '/page/view/', '/api/runs/', '//']) {
        for (const file of ['package.json', 'server.ts', 'dashboard/server.ts', 'etc/passwd']) {
          const path = base + dots.repeat(base === '/' ? 1 : 6) + file;
          const answer = await ask(served().dashboard.url, path);
          expect(answer.status, path).toBe(404);
          expect(answer.body).not.toMatch(/handoffjs|startDashboard|root:/);
        }
      }
    }
    for (const path of [
      '/package.json',
      '/page/',
      '/page',
      '/page/tsconfig.json',
      '/page/main.ts',
      '/page/main.js%00.css',
      '/page/main.js/',
      '//page/main.js',
      '/PAGE/MAIN.JS',
      '/server.js',
      '/vendor/hono.js',
      'http://127.0.0.1/page/main.js',
    ]) {
      expect(await ask(served().dashboard.url, path), path).toMatchObject({ status: 404 });
    }
    for (const key of ['__proto__', 'constructor', '%2e%2e', 'a'.repeat(100)])
      expect(await ask(served().dashboard.url, `/api/runs/${key}/graph`), key).toMatchObject({ status: 404 });
    for (const i of ['3', '999999999', '-1', '1e3', '0x1', '__proto__'])
      expect(await ask(served().dashboard.url, `/api/runs/${served().run}/functions/${i}`), i).toMatchObject({
        status: 404,
      });
  });

  it('takes in no more than it needs', async () => {
    const { dashboard, run } = served();
    const path = `/api/runs/${run}/cancel`;
    const sent = (headers: Readonly<Record<string, string>>): Promise<number> =>
      ask(dashboard.url, path, {
        method: 'POST',
        headers: { 'x-handoff': '1', ...headers },
        body: Buffer.alloc(2 ** 20),
      }).then(
        ({ status }) => status,
        () => 413,
      ); // closed before all of it was sent
    expect(await sent({})).toBe(413);
    expect(await sent({ 'transfer-encoding': 'chunked' })).toBe(413);
    expect(
      await ask(dashboard.url, '/', { headers: { 'x-long': 'x'.repeat(100_000) } }).then(
        ({ status }) => status,
        () => 431,
      ),
    ).toBe(431);
    expect(await ask(dashboard.url, '/')).toMatchObject({ status: 200 });
  });
});

describe('a dashboard with a token', () => {
  const served = useDashboard(token);

  it('admits clients with the token, in a header or in the cookie that it sets', async () => {
    const {
      dashboard: { url },
      run,
    } = served();
    expect(await ask(url, '/', { headers: { authorization: `Bearer ${token}` } })).toMatchObject({ status: 200 });
    const welcome = await ask(url, `/?token=${token}`);
    expect(welcome).toMatchObject({ status: 303, headers: { location: '.' } });
    const [cookie = ''] = welcome.headers['set-cookie']!;
    expect(cookie).toMatch(/; HttpOnly; SameSite=Strict$/);
    expect(cookie).not.toContain(token);
    const pass = { cookie: `other=1; ${cookie.split(';')[0]}` };
    for (const path of ['/', '/page/main.js', `/api/runs/${run}/graph`])
      expect(await ask(url, path, { headers: pass }), path).toMatchObject({ status: 200 });
    const stream = new Stream(url, run, pass);
    expect(await stream.status).toBe(200);
    stream.close();
  });

  it('lets in no other client, to no page', async () => {
    const {
      dashboard: { url },
      run,
      source,
    } = served();
    const wrong: Record<string, string>[] = [
      {},
      { authorization: 'Bearer' },
      { authorization: 'Bearer wrong' },
      { authorization: `Bearer ${token}x` },
      { authorization: token },
      { authorization: `Basic ${token}` },
      { cookie: `handoff-${new URL(url).port}=${token}` },
      { cookie: `handoff-${new URL(url).port}=` },
      { 'x-token': token },
    ];
    for (const headers of wrong) {
      for (const path of [
        '/',
        '/page/main.js',
        '/page/style.css',
        '/api/events',
        `/api/runs/${run}/graph`,
        '/metrics',
        '/nothing',
        `/api/events?token=${token}`,
        '/?token=wrong',
        '/?token=',
        `/nothing?token=${token}`,
      ]) {
        const answer = await ask(url, path, { headers });
        expect(answer, `${path} ${JSON.stringify(headers)}`).toMatchObject({ status: 401 });
        expect(answer.body).not.toContain(token);
        expect(answer.headers['set-cookie']).toBeUndefined();
      }
      expect(
        await ask(url, `/api/runs/${run}/cancel?token=${token}`, {
          method: 'POST',
          headers: { ...headers, 'x-handoff': '1' },
        }),
      ).toMatchObject({ status: 401 });
    }
    expect(source.cancelled).toEqual([]);
  });

  it('still refuses other sites and host names, and never shows the token', async () => {
    const { dashboard } = served();
    const authorization = `Bearer ${token}`;
    expect(await ask(dashboard.url, '/', { headers: { authorization, origin: 'http://evil.example' } })).toMatchObject({
      status: 403,
    });
    expect(await ask(dashboard.url, '/', { headers: { authorization, host: 'evil.example' } })).toMatchObject({
      status: 403,
    });
    expect(JSON.stringify([dashboard.url, dashboard.inspect!()])).not.toContain(token);
  });
});

describe.each(['0.0.0.0', '::', '10.1.2.3', 'Build-Box.local'])('where others can reach it, on %s', (listening) => {
  const visit = (host: string): Visit => ({
    method: 'GET',
    path: '/',
    query: new URLSearchParams(),
    headers: { host, authorization: `Bearer ${token}` },
  });
  const door = { host: listening, token, names: ['build-box'] };

  it('accepts its addresses and its own name as Host, and no other names', () => {
    if (listening === 'Build-Box.local')
      expect(checkAccess(door, 7430, visit('build-box.local:7430'))).toEqual({ kind: 'enter' });
    for (const host of ['10.1.2.3:7430', '[fe80::1]:7430', 'build-box', 'Build-Box:7430', 'localhost'])
      expect(checkAccess(door, 7430, visit(host)), host).toEqual({ kind: 'enter' });
    for (const host of ['evil.example', 'build-box.evil.example', '1.2.3.4.evil.example'])
      expect(checkAccess(door, 7430, visit(host)), host).toMatchObject({ kind: 'refuse', status: 403 });
  });
});

describe('the option dashboard', () => {
  it('needs a token where others can reach it, and says so without showing one', () => {
    for (const host of ['0.0.0.0', '::', '10.0.0.1', 'build-box']) {
      expect(thrownBy(() => resolveDashboard({ host }, {}))).toMatchObject({ code: 'INVALID_OPTION', option: 'token' });
      expect(resolveDashboard({ host, token }, {})).toMatchObject({ host, token });
      expect(resolveDashboard({ host }, { HANDOFF_DASHBOARD_TOKEN: token })).toMatchObject({ host, token });
    }
    for (const host of ['127.0.0.1', 'localhost', '::1', '127.8.8.8'])
      expect(resolveDashboard({ host }, {})).toMatchObject({ host, token: undefined, port: 7430 });
    const bad = thrownBy(() => resolveDashboard({ token: 'with a space' }, {}));
    expect(bad).toMatchObject({ code: 'INVALID_OPTION', option: 'token' });
    expect(bad.message).not.toContain('space,');
    expect(bad.message).not.toContain('with a');
  });

  it.each([
    ['port', { port: 70_000 }],
    ['port', { port: '7430' }],
    ['host', { host: '' }],
    ['metrics', { metrics: 1 }],
    ['prot', { prot: 1 }],
    ['token', { token: '' }],
  ])('%s is checked', (option, given) => {
    expect(thrownBy(() => resolveDashboard(given as never, {}))).toMatchObject({ code: 'INVALID_OPTION', option });
  });
});
