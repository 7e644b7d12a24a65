import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { formatAddress, type Address } from '../wire/address.ts';
import { codeOf } from '../wire/record.ts';

/** The address cannot be had; the message says which and why. */
export class CannotListen extends Error {
  override readonly name = 'CannotListen';
}

const NO_SUCH_ADDRESS = new Set(['EADDRNOTAVAIL', 'EAFNOSUPPORT', 'EINVAL']);

const WHY: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another process listens there already',
  EACCES: 'this user may not listen on that port',
  EADDRNOTAVAIL: 'this machine has no such address',
};

/** @returns where it listens; undefined if `optional` and this machine has no such address (IPv6 may be off) */
export async function listen(server: Server, { host, port }: Address, optional = false): Promise<Address | undefined> {
  try {
    server.listen({ host, port, ipv6Only: false });
    await once(server, 'listening');
  } catch (error) {
    const code = codeOf(error) ?? '';
    if (optional && NO_SUCH_ADDRESS.has(code)) return undefined;
    throw new CannotListen(`cannot listen on ${formatAddress({ host, port })}: ${WHY[code] ?? code}`);
  }
  return { host, port: (server.address() as AddressInfo).port };
}
