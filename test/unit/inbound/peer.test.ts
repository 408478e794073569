import { expect, it } from 'vitest'
import { Peers } from '../../../src/inbound/peer.ts'
import type { Principal } from '../../../src/model/principal.ts'

const GATEWAY = 'spiffe://mesh/ns/edge/sa/gateway'

it.each([
  ['10.1.2.3', undefined, 'proxy'],
  ['::ffff:10.1.2.3', undefined, 'proxy'],
  ['fd00::1', undefined, 'proxy'],
  ['192.0.2.1', GATEWAY, 'proxy'],
  ['192.0.2.1', `${GATEWAY}/x`, 'peer'],
  ['192.0.2.1', 'spiffe://other/ns/edge/sa/gateway', 'peer'],
  ['192.0.2.1', undefined, 'stranger'],
  ['', undefined, 'stranger'],
])('a connection from %s, which proves to be %s, is a %s', (remoteAddress, id, standing) => {
  const principal = id === undefined ? undefined : ({ id } as Principal)
  const peers = new Peers(['10.0.0.0/8', 'fd00::1', GATEWAY], () => principal)
  expect(peers.of({ remoteAddress, localAddress: '::1', localPort: 1 }).standing).toBe(standing)
})
