import * as v from 'valibot'
import { type AddressPolicy, isAddressRange, isNumericHost, parseAddress } from '../../core/address.ts'
import type { EndpointSpec, Locality } from '../../core/endpoint.ts'
import { checked, integer, listOf, mapOf, oneOf, print, type Report, record, text } from './blocks.ts'
import { HostClaims } from './host-claims.ts'
import { acrossPolicy, LATER_POLICY_KEYS, policyEntries } from './policy.ts'

/** `host`, `host:port` or `*.host`. */
const HOST =
  /^(?:\*\.)?(?=.{1,253}(?::\d+)?$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.?(?::\d{1,5})?$/i

/** A host that a service answers to. A number that URLs turn into an address would never be asked for, or worse, be dialled. */
const hostPattern = checked('a host such as orders.example.com, orders:8080 or *.example.com', (input) => {
  if (typeof input !== 'string' || !HOST.test(input)) return undefined
  const port = /:(\d+)$/.exec(input)?.[1]
  if (isNumericHost(input.toLowerCase().replace(/\.?(?::\d+)?$/, ''))) return undefined
  return port === undefined || (Number(port) >= 1 && Number(port) <= 65_535) ? input : undefined
})

/** Any string up to 253 characters without control characters; only DNS names become hosts. */
export const serviceName = text(253)

/** A DNS label, as Kubernetes namespaces are. */
export const namespaceName = checked('a namespace: letters, digits and dashes, at most 63', (input) =>
  typeof input === 'string' && /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/i.test(input) ? input : undefined,
)

/** Where something runs. */
export const locality = record({ region: v.optional(text(253)), zone: v.optional(text(253)), subZone: v.optional(text(253)) })

/** Free labels of an endpoint. */
export const metadata = v.pipe(
  mapOf(
    text(253),
    checked('text', (input) => (typeof input === 'string' ? input : undefined)),
  ),
  v.check((map) => map.size <= 256, 'expected at most 256 entries'),
  v.transform((map) => Object.freeze(Object.fromEntries(map))),
)

/** Addresses and ranges that the address policy lets through. */
export const allowAddresses = listOf(
  'addresses',
  checked('an address or a range such as 169.254.1.0/24', (input) =>
    typeof input === 'string' && isAddressRange(input) ? input : undefined,
  ),
)

function address(policy: AddressPolicy) {
  return v.pipe(
    v.unknown(),
    v.rawTransform<unknown, { host: string; port: number; text: string }>(({ dataset: { value }, addIssue, NEVER }) => {
      if (typeof value !== 'string') {
        addIssue({ message: `expected host:port, got ${print(value)}` })
        return NEVER
      }
      const parsed = parseAddress(value)
      const problem = 'problem' in parsed ? parsed.problem : policy.refusal(parsed.host)
      if (problem === undefined) return parsed as { host: string; port: number; text: string }
      addIssue({ message: `expected host:port, got ${print(value)}: ${problem}` })
      return NEVER
    }),
  )
}

function endpoint(policy: AddressPolicy): v.GenericSchema<unknown, EndpointSpec> {
  const fields = record({
    address: address(policy),
    id: v.optional(text(1_024)),
    weight: v.optional(integer(1, 1_000), 1),
    priority: v.optional(integer(0, 127), 0),
    locality: v.optional(locality, {}),
    metadata: v.optional(metadata, {}),
  })
  const short = v.pipe(
    address(policy),
    v.transform((written) => ({ address: written, id: undefined, weight: 1, priority: 0, locality: {}, metadata: Object.freeze({}) })),
  )
  return v.pipe(
    v.lazy((input) => (typeof input === 'string' ? short : fields)) as v.GenericSchema<unknown, v.InferOutput<typeof fields>>,
    v.transform(
      (written): EndpointSpec =>
        Object.freeze({
          id: written.id ?? written.address.text,
          address: written.address.text,
          host: written.address.host,
          port: written.address.port,
          weight: written.weight,
          priority: written.priority,
          locality: Object.freeze(written.locality as Locality),
          metadata: written.metadata as Readonly<Record<string, string>>,
        }),
    ),
  ) as v.GenericSchema<unknown, EndpointSpec>
}

/** The list of a service's endpoints; one that is named twice is a mistake in every registry. */
function endpoints(policy: AddressPolicy): v.GenericSchema<unknown, EndpointSpec[]> {
  return listOf('endpoints', endpoint(policy), (written, report) => {
    const seen = new Map<string, number>()
    for (const [index, { id }] of written) {
      const first = seen.get(id)
      if (first === undefined) seen.set(id, index)
      else report([index], `${print(id)} is already endpoints[${first}]`)
    }
  })
}

const port = integer(1, 65_535)

/** One service in the short form. */
export function serviceSchema(policy: AddressPolicy) {
  return record(
    {
      namespace: v.optional(namespaceName),
      hosts: v.optional(listOf('hosts', hostPattern), []),
      port: v.optional(port),
      ports: v.optional(listOf('ports', port)),
      protocol: v.optional(oneOf(['auto', 'http1', 'http2']), 'auto'),
      endpoints: v.optional(endpoints(policy)),
      ...policyEntries,
    },
    LATER_POLICY_KEYS,
    (written, report) => {
      if (written.port !== undefined && written.ports !== undefined) report([], 'port and ports exclude each other')
      dialledHost(written, policy, report)
      acrossPolicy(written, report)
    },
  )
}

/** Without endpoints the first host is what is dialled, so it must be one that may be. */
function dialledHost({ endpoints, hosts = [] }: Partial<ParsedService>, policy: AddressPolicy, report: Report): void {
  const first = hosts[0]
  if (endpoints !== undefined || first === undefined || first.startsWith('*')) return
  const refusal = policy.refusal(first.replace(/:\d+$/, ''))
  if (refusal !== undefined) report(['hosts', 0], refusal)
}

/** One service of the short form, checked. */
export type ParsedService = v.InferOutput<ReturnType<typeof serviceSchema>>

/** What the short form has on its top level besides `services`, in a later version. */
export const LATER_KEYS = ['identity', 'trust', 'merge'] as const

/**
 * `services: { name: … }`, no two of which may answer on the same host and port.
 * @param namespace where services live that name none
 */
export function servicesSchema(policy: AddressPolicy, namespace: string): v.GenericSchema<unknown, ReadonlyMap<string, ParsedService>> {
  return mapOf(serviceName, serviceSchema(policy), (services, report) => acrossServices(services, namespace, report))
}

/** The same without a look across them, for whoever judges them one by one and calls {@link acrossServices} in the end. */
export function singleServiceSchema(policy: AddressPolicy): v.GenericSchema<unknown, ReadonlyMap<string, ParsedService>> {
  return mapOf(serviceName, serviceSchema(policy))
}

/** What services must be to each other: no two may answer on the same host and port. */
export function acrossServices(services: ReadonlyMap<string, ParsedService>, namespace: string, report: Report): void {
  const claims = new HostClaims(namespace)
  for (const [name, service] of services) {
    const { hosts, port: only, ports = only === undefined ? [] : [only] } = service
    const claimant = { name, namespace: service.namespace ?? namespace, hosts, ports }
    const conflict = claims.conflict(claimant)
    claims.claim(claimant)
    if (conflict === undefined) continue
    const { host, index, holder } = conflict
    report(index === undefined ? [name] : [name, 'hosts', index], `${host} is already taken by service ${holder}`)
  }
}
