import type { Endpoint } from '../core/endpoint.ts'
import { splitHost } from '../core/host.ts'
import type { ProbeRequest } from '../model/health.ts'
import type { HealthCheckSettings } from '../model/resources.ts'
import type { ServiceSnapshot } from '../model/snapshot.ts'
import { secured } from './secured.ts'

/** How `endpoint` is asked whether it is in order: dialled as calls are, under the name that the service has. */
export function probeRequest(
  { name, hosts, ports, protocol, policy }: ServiceSnapshot,
  { spec }: Endpoint,
  settings: HealthCheckSettings,
): ProbeRequest {
  const named = hosts.find((host) => !host.startsWith('*')) ?? (HOST.test(name) ? name : undefined)
  const host = settings.host ?? named ?? spec.address
  const secure = secured(policy)
  const port = settings.port ?? (spec.port === 0 ? (ports[0] ?? (secure === undefined ? 80 : 443)) : spec.port)
  const serverName = secure?.serverName ?? splitHost(host).host.replace(/^\[(.*)\]$/, '$1')
  return { endpoint: spec, port, host, settings, protocol, tls: secure === undefined ? undefined : { settings: secure, serverName } }
}

/** A service name that is fit for a `Host`. */
const HOST = /^[\w.-]{1,253}$/
