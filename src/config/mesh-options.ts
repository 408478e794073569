import * as v from 'valibot'
import { AddressPolicy, isAddressRange } from '../core/address.ts'
import type { Clock } from '../core/clock.ts'
import type { Locality } from '../core/endpoint.ts'
import type { Gate } from '../core/gate.ts'
import type { Random } from '../core/random.ts'
import type { ContextSettings } from '../model/context-options.ts'
import type { HealthReporter } from '../model/health.ts'
import type { IdentitySettings, TrustSettings } from '../model/identity.ts'
import type { InboundSettings } from '../model/inbound.ts'
import type { DispatcherLike, Logger, UndiciModule } from '../model/options.ts'
import type { PolicySections, Resource } from '../model/resources.ts'
import type { Source } from '../model/source.ts'
import { checked, listOf, oneOf, type Report, record, text, withMethods } from './schema/blocks.ts'
import { context, flowOf } from './schema/context.ts'
import { identity, trust } from './schema/identity.ts'
import { inbound } from './schema/inbound.ts'
import { outboundPolicies } from './schema/outbound-policies.ts'
import { acrossPolicy, LATER_POLICY_KEYS, type ParsedPolicy, policyEntries, toSections } from './schema/policy.ts'
import { configError, parse } from './schema/problems.ts'
import { routes } from './schema/routes.ts'
import { allowAddresses, LATER_KEYS, locality, namespaceName, servicesSchema } from './schema/service.ts'
import { strangeBackends } from './schema/strange-backends.ts'
import { strangeSubsets } from './schema/strange-subsets.ts'
import { unfoldAuthorization, unfoldPolicies, unfoldRoutes, unfoldServices } from './short-form.ts'

/** `MeshOptions`, checked, copied and unfolded. */
export interface ParsedOptions {
  readonly service: string | undefined
  readonly namespace: string
  readonly locality: Locality
  readonly defaults: PolicySections
  readonly resources: readonly Resource[]
  readonly sources: readonly Source[]
  readonly inbound: InboundSettings
  readonly identity: IdentitySettings | undefined
  readonly trust: ReadonlyMap<string, TrustSettings>
  readonly gates: readonly Gate[]
  readonly healthReporters: readonly HealthReporter[]
  readonly unknownHosts: 'pass' | 'refuse'
  readonly addressPolicy: AddressPolicy
  readonly fallback: DispatcherLike | undefined
  readonly undici: UndiciModule | undefined
  readonly logger: Logger | undefined
  readonly clock: Clock | undefined
  readonly random: Random | undefined
  readonly context: boolean
  /** What flows where `context` is on. */
  readonly flow: ContextSettings
}

/** Names by which provenance tells what no source wrote. */
const RESERVED = ['options', 'built-in']

const sources = listOf('sources', withMethods<Source>('a source', 'watch'), (written, report) => {
  const names = new Set<unknown>()
  for (const [index, { name }] of written) {
    if (!v.is(text(253), name)) report([index, 'name'], 'expected text of 1 to 253 characters without control characters')
    else if (RESERVED.includes(name)) report([index, 'name'], `${name} is the name of something else`)
    else if (names.has(name)) report([], 'two sources have the same name')
    names.add(name)
  }
})

/** What is kept by reference, and never looked into: only code can give it. */
const OPAQUE = {
  sources: 'list',
  gates: 'list',
  'inbound.gates': 'list',
  healthReporters: 'list',
  fallback: 'value',
  undici: 'value',
  logger: 'value',
  clock: 'value',
  random: 'value',
} as const

/** What a service may say and `defaults` may not, in this version. */
const LATER_DEFAULTS = [...LATER_POLICY_KEYS, 'namespace', 'hosts', 'port', 'ports', 'protocol', 'endpoints']

function optionsSchema(plain: unknown) {
  const { policy, namespace } = surroundings(plain)
  return record(
    {
      service: v.optional(text(253)),
      namespace: v.optional(namespaceName, 'default'),
      locality: v.optional(locality, {}),
      defaults: v.optional(record(policyEntries, LATER_DEFAULTS, acrossPolicy), {}),
      services: v.optional(servicesSchema(policy, namespace)),
      policies: v.optional(outboundPolicies, []),
      routes: v.optional(routes, []),
      inbound: v.optional(inbound, {}),
      identity: v.optional(identity),
      trust: v.optional(trust, {}),
      sources: v.optional(sources, []),
      gates: v.optional(listOf('gates', withMethods<Gate>('a gate', 'admit')), []),
      healthReporters: v.optional(listOf('health reporters', withMethods<HealthReporter>('a health reporter', 'report')), []),
      unknownHosts: v.optional(oneOf(['pass', 'refuse']), 'pass'),
      allowAddresses: v.optional(allowAddresses, []),
      fallback: v.optional(withMethods<DispatcherLike>('a dispatcher', 'dispatch')),
      undici: v.optional(
        checked<UndiciModule>("undici's module (with Client, Agent and Dispatcher)", (input) =>
          isUndici(input) || isUndici((input as { default?: unknown } | null | undefined)?.default) ? (input as UndiciModule) : undefined,
        ),
      ),
      logger: v.optional(withMethods<Logger>('a logger', 'warn', 'error')),
      clock: v.optional(withMethods<Clock>('a clock', 'now', 'wallTime', 'setTimer', 'afterPoll')),
      random: v.optional(
        checked<Random>('a function that gives numbers in [0, 1)', (input) =>
          typeof input === 'function' ? (input as Random) : undefined,
        ),
      ),
      context: v.optional(context, true),
    },
    LATER_KEYS,
    (written, report) => {
      strangeBackends(written, report)
      strangeSubsets(written, report)
      // One that is written and broken is reported as such.
      if ((plain as { identity?: unknown } | null | undefined)?.identity === undefined) needsIdentity(written, report)
    },
  )
}

/**
 * Checks everything that `createMesh` is given. Nothing of it is kept by reference but what only code can give.
 * @throws MeshError `MESH_CONFIG` with every problem and its path
 */
export function parseMeshOptions(options: unknown): ParsedOptions {
  const result = parse(optionsSchema, options, OPAQUE)
  if ('problems' in result) throw configError(result.problems)
  const {
    services,
    policies,
    routes: written,
    defaults,
    service,
    identity,
    fallback,
    undici,
    logger,
    clock,
    random,
    context: flow,
    allowAddresses: allowed,
    ...rest
  } = result.output
  return {
    ...rest,
    locality: rest.locality as Locality,
    service,
    identity: identity as IdentitySettings | undefined,
    fallback,
    undici,
    logger,
    clock,
    random,
    context: flow !== false,
    flow: flowOf(flow),
    addressPolicy: new AddressPolicy(allowed),
    defaults: toSections(defaults),
    resources: [
      ...unfoldServices(services ?? new Map(), rest.namespace),
      ...unfoldPolicies(policies, rest.namespace),
      ...unfoldRoutes(written, rest.namespace),
      ...unfoldAuthorization(rest.inbound.authorization, rest.namespace),
    ],
  }
}

function isUndici(input: unknown): boolean {
  if (typeof input !== 'object' || input === null) return false
  const { Client, Agent, Dispatcher } = input as Record<string, unknown>
  return [Client, Agent, Dispatcher].every((each) => typeof each === 'function')
}

/** Mutual TLS without anybody to be would fail at each call; it is told at the door. */
function needsIdentity(
  written: { defaults?: ParsedPolicy; services?: ReadonlyMap<string, ParsedPolicy> | undefined },
  report: Report,
): void {
  const at = [...(written.services ?? [])].find(([, { tls }]) => tls?.mode === 'mutual')?.[0]
  if (at === undefined && written.defaults?.tls?.mode !== 'mutual') return
  const where = at === undefined ? 'defaults' : `services.${at}`
  report(['identity'], `expected a certificate and its key: ${where}.tls.mode is 'mutual'`)
}

/** What services are judged by; where it is broken itself it is reported beside them, and they are judged without it. */
function surroundings(plain: unknown): { policy: AddressPolicy; namespace: string } {
  const { allowAddresses: allowed, namespace } = (plain ?? {}) as { allowAddresses?: unknown; namespace?: unknown }
  return {
    policy: new AddressPolicy(Array.isArray(allowed) ? allowed.filter((each) => typeof each === 'string' && isAddressRange(each)) : []),
    namespace: typeof namespace === 'string' ? namespace : 'default',
  }
}
