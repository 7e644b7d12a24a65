/** `redis`: where the pods share their budgets. */
import * as z from 'zod/mini';
import { about, countFromZero, durationAboveZero, optional, portOrReference, reference, standard, text, textOrReference } from './fields.ts';

const node = z.string().check(z.regex(/^(?:\[[0-9A-Fa-f:.]+\]|[^\s:/@[\]]+):\d{1,5}$/, 'expected HOST:PORT, such as "10.0.0.1:6379"'));
const nodes = z.array(node).check(z.minLength(1, 'needs at least one HOST:PORT'));

/** In Redis a brace would move the keys of one budget to different slots. */
const keyPrefix = z.string().check(z.regex(/^[A-Za-z0-9._:-]{1,64}$/, 'expected 1 to 64 letters, digits or . _ : -'));

export const redis = z.strictObject({
  url: optional(textOrReference, 'redis:// or rediss://, or a reference to it.'),
  host: optional(textOrReference, 'Instead of url: the host.'),
  port: optional(portOrReference, 'Beside host; 6379 by default.'),
  db: standard(countFromZero, 0, 'The number of the database.'),
  sentinel: optional(
    z.strictObject({ name: about(text, 'The name of the master.'), nodes: about(nodes, 'The sentinels, HOST:PORT each.') }),
    'Instead of url: Sentinels that know the master.',
  ),
  cluster: optional(z.strictObject({ nodes: about(nodes, 'Nodes to begin with, HOST:PORT each.') }), 'Instead of url: a Redis Cluster.'),
  username: optional(textOrReference, 'The ACL user.'),
  password: optional(reference, 'Where the password is.'),
  tls: optional(z.strictObject({ ca: optional(text, "The file with the authority's certificate.") }), 'Connect with TLS.'),
  keyPrefix: standard(keyPrefix, 'spillway', 'Every key in Redis begins with it.'),
  timeout: standard(durationAboveZero, '50ms', 'Longer than this, and Redis counts as away.'),
});
