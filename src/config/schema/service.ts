import * as v from 'valibot'
import { type AddressPolicy, parseAddress } from '../../core/address.ts'
import type { EndpointSpec, Locality } from '../../core/endpoint.ts'
import { checked, integer, isPlainObject, mapOf, oneOf, print, record, text } from './blocks.ts'
import { LATER_POLICY_KEYS, policyEntries } from './policy.ts'

const HOST =
  /^(?:\*\.)?(?=.{1,253}(?::\d+)?$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.?(?::\d{1,5})?$/i

const host = checked('a host such as orders.example.com, orders:8080 or *.example.com', (input) => {
  if (typeof input !== 'string' || !HOST.test(input)) return undefined
  const port = /:(\d+)$/.exec(input)?.[1]
  return port === undefined || (Number(port) >= 1 && Number(port) <= 65_535) ? input : undefined
})

/** Any string up to 253 characters without control characters; only DNS names become hosts. */
export const serviceName = text(253)

/** A DNS label, as Kubernetes namespaces are. */
export const namespaceName = checked('a namespace: letters, digits and dashes, at most 63', (input) =>
  typeof input === 'string' && /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/i.test(input) ? input : undefined,
)

const locality = record({ region: v.optional(text(253)), zone: v.optional(text(253)), subZone: v.optional(text(253)) })

const metadata = v.pipe(
  mapOf(
    text(253),
    checked('text', (input) => (typeof input === 'string' ? input : undefined)),
  ),
  v.check((map) => map.size <= 256, 'expected at most 256 entries'),
  v.transform((map) => Object.freeze(Object.fromEntries(map))),
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
function endpoints(policy: AddressPolicy) {
  return v.pipe(
    v.array(endpoint(policy), (issue) => `expected a list of endpoints, got ${print(issue.input)}`),
    v.rawCheck<EndpointSpec[]>(({ dataset, addIssue }) => {
      if (!dataset.typed) return
      const seen = new Map<string, number>()
      for (const [index, { id }] of dataset.value.entries()) {
        const first = seen.get(id)
        if (first === undefined) seen.set(id, index)
        else
          addIssue({
            message: `${id} is already endpoints[${first}]`,
            path: [{ type: 'array', origin: 'value', input: dataset.value, key: index, value: id }],
          })
      }
    }),
  )
}

/** One service in the short form. */
export function serviceSchema(policy: AddressPolicy) {
  return v.pipe(
    record(
      {
        namespace: v.optional(namespaceName),
        hosts: v.optional(
          v.array(host, (issue) => `expected a list of hosts, got ${print(issue.input)}`),
          [],
        ),
        port: v.optional(integer(1, 65_535)),
        ports: v.optional(v.array(integer(1, 65_535), (issue) => `expected a list of ports, got ${print(issue.input)}`)),
        protocol: v.optional(oneOf(['auto', 'http1'], ['http2']), 'auto'),
        endpoints: v.optional(endpoints(policy)),
        ...policyEntries,
      },
      LATER_POLICY_KEYS,
    ),
    v.check(({ port, ports }) => port === undefined || ports === undefined, 'port and ports exclude each other'),
  )
}

export type ParsedService = v.InferOutput<ReturnType<typeof serviceSchema>>

/** `services: { name: … }`. */
export function servicesSchema(policy: AddressPolicy): v.GenericSchema<unknown, ReadonlyMap<string, ParsedService>> {
  return mapOf(serviceName, serviceSchema(policy) as v.GenericSchema<unknown, ParsedService>)
}

export { isPlainObject, locality as localitySchema }
