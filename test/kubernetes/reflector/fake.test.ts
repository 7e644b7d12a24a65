/** The API server of the tests refuses what a real one refuses, in its words: else the tests above would prove little. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Agent, fetch } from 'undici';
import { kubernetes } from '../../support/kube-api-setup.ts';

const setup = kubernetes();
let agent: Agent;

beforeEach(() => {
  agent = new Agent({ connect: { ca: setup().api.authority.ca }, allowH2: false });
  setup().atEnd(() => void agent.destroy());
});

afterEach(() => agent.destroy());

async function ask(path: string, { token = 'token-1', body }: { token?: string; body?: object } = {}): Promise<{ status: number; json: Record<string, unknown> }> {
  const response = await fetch(`${setup().api.server}${path}`, {
    dispatcher: agent,
    headers: { authorization: `Bearer ${token}` },
    ...(body && { method: 'POST', body: JSON.stringify(body) }),
  });
  return { status: response.status, json: (await response.json()) as Record<string, unknown> };
}

const MAPS = '/api/v1/namespaces/shop/configmaps';

describe('the Role', () => {
  test.each([
    ['without a field selector', MAPS, 'configmaps is forbidden: User "system:serviceaccount:shop:default" cannot list resource "configmaps" in API group "" in the namespace "shop"'],
    ['with another name', `${MAPS}?fieldSelector=metadata.name%3Dother`, 'configmaps is forbidden: User "system:serviceaccount:shop:default" cannot list resource "configmaps" in API group "" in the namespace "shop"'],
    ['a watch without a field selector', `${MAPS}?watch=true`, 'configmaps is forbidden: User "system:serviceaccount:shop:default" cannot watch resource "configmaps" in API group "" in the namespace "shop"'],
    ['another object', `${MAPS}/other`, 'configmaps "other" is forbidden: User "system:serviceaccount:shop:default" cannot get resource "configmaps" in API group "" in the namespace "shop"'],
    ['another namespace', '/api/v1/namespaces/bank/configmaps?fieldSelector=metadata.name%3Dspillway', 'configmaps is forbidden: User "system:serviceaccount:shop:default" cannot list resource "configmaps" in API group "" in the namespace "bank"'],
  ])('refuses %s', async (_, path, message) => {
    expect(await ask(path)).toEqual({ status: 403, json: { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', reason: 'Forbidden', code: 403, message } });
  });

  test('answers what one may do', async () => {
    const review = async (attributes: object): Promise<unknown> => {
      const spec = { resourceAttributes: { namespace: 'shop', resource: 'configmaps', ...attributes } };
      return (await ask('/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', { body: { spec } })).json['status'];
    };
    expect(await review({ verb: 'watch', name: 'spillway' })).toEqual({ allowed: true });
    expect(await review({ verb: 'watch' })).toEqual({ allowed: false });
    expect(await review({ verb: 'create', resource: 'events' })).toEqual({ allowed: true });
    expect(await review({ verb: 'delete', name: 'spillway' })).toEqual({ allowed: false });
  });
});

test('a list has a version of its own, and selects', async () => {
  const { api } = setup();
  const { metadata } = api.edit('v0');
  api.store.put('shop', 'other', {});
  const { json } = await ask(`${MAPS}?fieldSelector=metadata.name%3Dspillway`);
  expect(json).toMatchObject({ kind: 'ConfigMapList', items: [{ metadata: { name: 'spillway', resourceVersion: metadata.resourceVersion } }] });
  expect(Number((json['metadata'] as { resourceVersion: string }).resourceVersion)).toBeGreaterThan(Number(metadata.resourceVersion));
});

test('a token that it does not know, an object that is not there, a body that is too large, an event of another namespace', async () => {
  expect((await ask(MAPS, { token: 'x' })).json).toMatchObject({ code: 401, reason: 'Unauthorized', message: 'Unauthorized' });
  expect((await ask(`${MAPS}/spillway`)).json).toMatchObject({ code: 404, reason: 'NotFound', message: 'configmaps "spillway" not found' });
  const events = '/api/v1/namespaces/shop/events';
  expect((await ask(events, { body: { text: 'x'.repeat(4 * 1024 * 1024) } })).status).toBe(413);
  const event = { metadata: { generateName: 'a.', namespace: 'shop' }, involvedObject: { namespace: 'bank' }, message: '' };
  expect((await ask(events, { body: event })).json).toMatchObject({ code: 422, reason: 'Invalid' });
});

test('a deleted object that is created again is another one', () => {
  const { api } = setup();
  const { metadata: first } = api.edit('v0');
  api.store.delete('shop', 'spillway');
  expect(api.edit('v0').metadata.uid).not.toBe(first.uid);
});
