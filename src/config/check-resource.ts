import type { EndpointSpec } from '../core/endpoint.ts'
import { problemText } from '../core/problem.ts'
import type { RuleSettings } from '../model/route-settings.ts'
import { routeProblem } from '../routing/route-problem.ts'
import { areSubsets } from '../routing/selection-check.ts'
import { readPolicy } from '../security/authorization/policy.ts'
import { isPlainObject } from './schema/blocks.ts'

/**
 * What is wrong with a resource from a source that the mesh did not write. Sources of ours validate in full before they
 * deliver; this is the last look, which keeps a defect in somebody's source from reaching the calls.
 */
export function problemsOf(resource: unknown): string[] {
  if (!isPlainObject(resource)) return ['expected a resource object']
  const { kind, namespace, name, place, places } = resource
  const problems: string[] = []
  if (place !== undefined && typeof place !== 'string') problems.push('place: expected text')
  if (places !== undefined && !isPlainObject(places)) problems.push('places: expected an object of texts')
  if (typeof namespace !== 'string' || namespace === '') problems.push('namespace: expected text')
  if (typeof name !== 'string' || name === '' || name.length > 253) problems.push('name: expected text of at most 253 characters')
  switch (kind) {
    case 'service':
      if (!isListOf(resource['hosts'], (host) => typeof host === 'string')) problems.push('hosts: expected a list of hosts')
      if (!isListOf(resource['ports'], isPort)) problems.push('ports: expected a list of ports')
      break
    case 'endpoints':
      problems.push(...endpointProblems(resource['endpoints']))
      if (resource['because'] !== undefined && typeof resource['because'] !== 'string') problems.push('because: expected text')
      break
    case 'traffic-policy':
      problems.push(...policyProblems(resource['policy']))
      break
    case 'outbound-policy':
      if (!Number.isInteger(resource['order'])) problems.push('order: expected a whole number')
      problems.push(...ruleProblems(resource['rule']))
      break
    case 'route': {
      if (!Number.isInteger(resource['order'])) problems.push('order: expected a whole number')
      if (!isListOf(resource['hosts'], (host) => typeof host === 'string' && host !== '')) problems.push('hosts: expected a list of hosts')
      const problem = routeProblem(resource['rules'] as readonly RuleSettings[])
      if (problem !== undefined) problems.push(`rules: ${problem}`)
      break
    }
    case 'authorization':
      if (!Number.isInteger(resource['order'])) problems.push('order: expected a whole number')
      problems.push(...authorizationProblems(resource))
      break
    default:
      problems.push(
        `kind: expected service, endpoints, traffic-policy, outbound-policy, authorization or route, got ${JSON.stringify(kind)}`,
      )
  }
  return problems
}

function policyProblems(policy: unknown): string[] {
  if (!isPlainObject(policy)) return ['policy: expected an object']
  const { subsets } = policy
  return subsets === undefined || subsets === false || areSubsets(subsets)
    ? []
    : ['policy.subsets: expected metadata and otherwise under each name']
}

function authorizationProblems({ policy, namespace, name }: Record<string, unknown>): string[] {
  const parsed = readPolicy(policy, typeof namespace === 'string' ? namespace : 'default')
  if ('problems' in parsed) return parsed.problems.map(({ path, message }) => problemText({ path: ['policy', ...path], message }))
  return parsed.name === name && parsed.namespace === namespace ? [] : ['policy: expected the name and namespace of the resource']
}

function ruleProblems(rule: unknown): string[] {
  if (!isPlainObject(rule)) return ['rule: expected an object']
  const { action, redirectTo, limit } = rule
  const problems: string[] = []
  for (const key of ['source', 'target']) if (!isPlainObject(rule[key])) problems.push(`rule.${key}: expected an object`)
  if (!['continue', 'allow', 'deny', 'redirect', 'limit'].includes(action as string)) problems.push('rule.action: expected an action')
  if (action === 'redirect' && typeof redirectTo !== 'string') problems.push('rule.redirectTo: expected the name of a service')
  if (action === 'limit' && !isPlainObject(limit)) problems.push('rule.limit: expected an object')
  return problems
}

function endpointProblems(endpoints: unknown): string[] {
  if (!Array.isArray(endpoints)) return ['endpoints: expected a list']
  const problems: string[] = []
  // There may be 100,000 of them, so this makes nothing per endpoint; and a hole in the list is looked at like the rest. One that
  // is named twice is no reason to go on with yesterday's list: it counts once.
  for (let index = 0; index < endpoints.length; index++) {
    const { id, host, port, address, weight } = (endpoints[index] ?? NOTHING) as Partial<EndpointSpec>
    if (typeof id !== 'string' || typeof host !== 'string' || typeof address !== 'string')
      problems.push(`endpoints[${index}]: expected id, address and host`)
    if (!isPort(port) && port !== 0) problems.push(`endpoints[${index}].port: expected a port`)
    if (!(typeof weight === 'number' && weight > 0 && Number.isFinite(weight)))
      problems.push(`endpoints[${index}].weight: expected a number above 0`)
  }
  return problems
}

function isPort(value: unknown): boolean {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) <= 65_535
}

function isListOf(value: unknown, accepts: (each: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every(accepts)
}

const NOTHING = Object.freeze({})
