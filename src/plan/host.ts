import { canonicalHost, splitHost } from '../core/host.ts'
import type { ServiceSnapshot } from '../model/snapshot.ts'

/** One host that a service answers to, and on which ports; empty: any. */
export interface ServedName {
  readonly host: string
  /** As it was written. */
  readonly written: string
  readonly ports: readonly number[]
}

const DNS_NAME = /^(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?$/i

/** Every host a service answers to: `name`, `name.namespace`, `….svc`, `….svc.cluster.local`, and those that were written. */
export function servedNames({ name, namespace, hosts, ports }: ServiceSnapshot): ServedName[] {
  const written = hosts.map((each): ServedName => {
    const { host, port } = splitHost(each)
    return { host, written: each, ports: port === undefined ? ports : [port] }
  })
  if (!DNS_NAME.test(name)) return written
  const base = canonicalHost(name)
  const qualified = `${base}.${namespace.toLowerCase()}`
  const names = [base, qualified, `${qualified}.svc`, `${qualified}.svc.cluster.local`]
  return [...names.map((host) => ({ host, written: host, ports })), ...written]
}
