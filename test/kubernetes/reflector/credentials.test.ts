/** Who we are and whom we trust, while both change. */
import { afterEach, expect, test } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { inCluster } from '../../../src/kubernetes/in-cluster.ts';
import { fromKubeconfig } from '../../../src/kubernetes/kubeconfig.ts';
import { kubernetes, QUICK, until } from '../../support/kube-api-setup.ts';

const setup = kubernetes();
const made: string[] = [];

afterEach(async () => {
  for (const directory of made.splice(0)) await rm(directory, { recursive: true, force: true });
});

async function folder(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'spillway-kubeconfig-'));
  made.push(directory);
  return directory;
}

test('a token that was replaced is read again', async () => {
  const { api, reflect, writeAccount } = setup();
  api.edit('v0');
  const { texts, troubles } = reflect();
  await until(() => api.watches.size === 1, 'the watch');
  // The server learns of it first: for a while the file has a token that is refused.
  api.tokens.clear();
  api.tokens.add('token-2');
  for (const watch of api.watches) watch.reset();
  api.edit('v1');
  await until(() => troubles.some((trouble) => trouble.includes('401')), 'the refusal');
  await writeAccount('token-2');
  await until(() => texts.at(-1) === 'v1', 'the edit');
  expect(troubles.find((trouble) => trouble.includes('401'))).toBe('the API server answered 401: Unauthorized');
});

test('an authority that was replaced is read again', async () => {
  const { api, reflect, writeAccount } = setup();
  api.edit('v0');
  const { texts, troubles } = reflect();
  await until(() => api.watches.size === 1, 'the watch');
  api.rotateAuthority();
  for (const watch of api.watches) watch.reset();
  api.edit('v1');
  await until(() => troubles.length > 0, 'the distrust');
  await writeAccount('token-1');
  await until(() => texts.at(-1) === 'v1', 'the edit');
});

test('another server than the cluster’s is not trusted, and never sees the token', async () => {
  const { api, account, reflect } = setup();
  api.edit('v0');
  await account.write({ token: 'token-1', 'ca.crt': '', namespace: 'shop' });
  const { troubles } = reflect();
  await until(() => troubles.length > 0, 'the distrust');
  expect(troubles[0]).toMatch(/certificate/);
  expect(api.seen).toEqual([]);
});

test('a token that is not there yet is waited for', async () => {
  const { api, account, reflect, writeAccount } = setup();
  api.edit('v0');
  await account.remove();
  const { texts, troubles } = reflect();
  await until(() => troubles.length > 0, 'the news');
  expect(troubles[0]).toMatch(/ENOENT.*token/);
  await import('node:fs/promises').then(({ mkdir }) => mkdir(account.directory));
  await writeAccount('token-1');
  await until(() => texts.length === 1, 'the text');
});

test('no trouble ever shows the token', async () => {
  const { api, reflect } = setup();
  api.tokens.clear();
  const { troubles, reflector } = reflect();
  await until(() => api.count('list') > 2, 'attempts');
  expect(JSON.stringify([troubles, reflector.state()])).not.toContain('token-1');
});

test('an IPv6 address of the API server stands in brackets', async () => {
  const { env } = setup();
  const link = await inCluster({ ...env, KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '443' }).link();
  expect(link.server).toBe('https://[fd00::1]:443');
  link.close();
});

async function kubeconfig(user: object, extra: object = {}): Promise<string> {
  const { api } = setup();
  const path = join(await folder(), 'config');
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'here',
    clusters: [{ name: 'test', cluster: { server: api.server, 'certificate-authority-data': Buffer.from(api.authority.ca).toString('base64') } }],
    users: [{ name: 'me', user }],
    contexts: [{ name: 'here', context: { cluster: 'test', user: 'me', namespace: 'shop' } }],
    ...extra,
  };
  await writeFile(path, JSON.stringify(config));
  return path;
}

test('outside a cluster the kubeconfig is used, and stop leaves nothing open', async () => {
  const { api, reflect } = setup();
  api.edit('v0');
  const cluster = fromKubeconfig(await kubeconfig({ token: 'token-1' }));
  expect(await cluster.namespace()).toBe('shop');
  const { texts, reflector } = reflect({ cluster });
  await until(() => texts.length === 1 && api.watches.size === 1, 'the text');
  expect(api.seen.every(({ httpVersion }) => httpVersion === '1.1')).toBe(true);
  api.edit('v1');
  await until(() => texts.at(-1) === 'v1', 'the edit');
  await reflector.stop();
  await until(() => api.sockets.size === 0, 'nothing is open');
});

test('several kubeconfigs are one', async () => {
  const { api, reflect } = setup();
  api.edit('v0');
  const second = await kubeconfig({ token: 'token-1' }, { users: [], contexts: [] });
  const first = await kubeconfig({ token: 'token-1' }, { clusters: [] });
  const { texts } = reflect({ cluster: fromKubeconfig([first, second].join(delimiter)) });
  await until(() => texts.length === 1, 'the text');
});

test('a kubeconfig without a context says so', async () => {
  const { reflect } = setup();
  const path = join(await folder(), 'config');
  await writeFile(path, JSON.stringify({ apiVersion: 'v1', kind: 'Config' }));
  const { troubles } = reflect({ cluster: fromKubeconfig(path), pace: QUICK });
  await until(() => troubles.length === 1, 'the trouble');
  expect(troubles[0]).toContain(path);
});
