import * as v from 'valibot'
import { AddressPolicy, isAddressRange } from '../core/address.ts'
import type { Clock } from '../core/clock.ts'
import type { Locality } from '../core/endpoint.ts'
import type { Gate } from '../core/gate.ts'
import type { Random } from '../core/random.ts'
import type { DispatcherLike, Logger, UndiciModule } from '../model/options.ts'
import type { PolicySections, Resource } from '../model/resources.ts'
import type { Source } from '../model/source.ts'
import { checked, oneOf, print, record, text, withMethods } from './schema/blocks.ts'
import { LATER_POLICY_KEYS, policyEntries, toSections } from './schema/policy.ts'
import { configError, parse } from './schema/problems.ts'
import { localitySchema, namespaceName, servicesSchema } from './schema/service.ts'
import { unfoldServices } from './short-form.ts'

/** `MeshOptions`, checked, copied and unfolded. */
export interface ParsedOptions {
  readonly service: string | undefined
  readonly namespace: string
  readonly locality: Locality
  readonly defaults: PolicySections
  readonly resources: readonly Resource[]
  readonly sources: readonly Source[]
  readonly gates: readonly Gate[]
  readonly unknownHosts: 'pass' | 'refuse'
  readonly addressPolicy: AddressPolicy
  readonly fallback: DispatcherLike | undefined
  readonly undici: UndiciModule | undefined
  readonly logger: Logger | undefined
  readonly clock: Clock | undefined
  readonly random: Random | undefined
  readonly context: boolean
}

const LATER_KEYS = ['routes', 'inbound', 'identity', 'trust', 'merge', 'policies']

const source = withMethods<Source>('a source', 'watch')

const sources = v.pipe(
  v.array(source, (issue) => `expected a list of sources, got ${print(issue.input)}`),
  v.check((list) => new Set(list.map(({ name }) => name)).size === list.length, 'two sources have the same name'),
)

function optionsSchema(policy: AddressPolicy) {
  return record(
    {
      service: v.optional(text(253)),
      namespace: v.optional(namespaceName, 'default'),
      locality: v.optional(localitySchema, {}),
      defaults: v.optional(record(policyEntries, LATER_POLICY_KEYS), {}),
      services: v.optional(servicesSchema(policy)),
      sources: v.optional(sources, []),
      gates: v.optional(v.array(withMethods<Gate>('a gate', 'admit')), []),
      unknownHosts: v.optional(oneOf(['pass', 'refuse']), 'pass'),
      allowAddresses: v.optional(
        v.array(
          checked('an address or a range such as 169.254.1.0/24', (input) =>
            typeof input === 'string' && isAddressRange(input) ? input : undefined,
          ),
        ),
      ),
      fallback: v.optional(withMethods<DispatcherLike>('a dispatcher', 'dispatch')),
      undici: v.optional(
        checked<UndiciModule>("undici's module", (input) => (typeof input === 'object' && input !== null ? input : undefined)),
      ),
      logger: v.optional(withMethods<Logger>('a logger', 'warn', 'error')),
      clock: v.optional(withMethods<Clock>('a clock', 'now', 'wallTime', 'setTimer', 'afterPoll')),
      random: v.optional(
        checked<Random>('a function that gives numbers in [0, 1)', (input) =>
          typeof input === 'function' ? (input as Random) : undefined,
        ),
      ),
      context: v.optional(
        checked('a boolean', (input) => (typeof input === 'boolean' ? input : undefined)),
        true,
      ),
    },
    LATER_KEYS,
  )
}

/**
 * Checks everything that `createMesh` is given. Nothing of it is kept by reference but what only code can give.
 * @throws MeshError `MESH_CONFIG` with every problem and its path
 */
export function parseMeshOptions(options: unknown): ParsedOptions {
  const addressPolicy = policyFrom(options)
  const result = parse(optionsSchema(addressPolicy) as v.GenericSchema<unknown, v.InferOutput<ReturnType<typeof optionsSchema>>>, options)
  if ('problems' in result) throw configError(result.problems)
  const { services, defaults, service, fallback, undici, logger, clock, random, ...rest } = result.output
  return {
    ...rest,
    locality: rest.locality as Locality,
    service,
    fallback,
    undici,
    logger,
    clock,
    random,
    addressPolicy,
    defaults: toSections(defaults),
    resources: unfoldServices(services ?? new Map(), rest.namespace),
  }
}

/** Endpoints are judged by the policy that stands beside them; a broken one is reported with the rest. */
function policyFrom(options: unknown): AddressPolicy {
  const allowed = (options as { allowAddresses?: unknown } | null | undefined)?.allowAddresses
  return new AddressPolicy(Array.isArray(allowed) ? allowed.filter((each) => typeof each === 'string' && isAddressRange(each)) : [])
}
