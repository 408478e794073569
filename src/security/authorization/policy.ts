import { MeshError } from '../../core/errors.ts'
import type { Refusal } from '../../core/gate.ts'
import { type Problem, problemText } from '../../core/problem.ts'
import type { AuthorizationDecision, AuthorizationPolicyOptions } from '../../model/authorization.ts'
import { allOf, anyOf, type Condition } from './condition.ts'
import { readRule } from './istio-rule.ts'
import { Reader } from './reader.ts'
import { readNode } from './tree.ts'

/** What a policy is once it was read. */
export interface ParsedPolicy {
  readonly name: string
  readonly namespace: string
  readonly action: 'allow' | 'deny'
  readonly dryRun: boolean
  /** One of them must hold; each with its place in the document. */
  readonly rules: readonly { readonly place: string; readonly condition: Condition }[]
}

/** A decision as the engine has it ready: nothing is made per request. */
export class Verdict implements AuthorizationDecision {
  readonly action: 'allow' | 'deny'
  readonly rule: string
  readonly reason: string
  readonly from: string
  /** Undefined: the request is let in. */
  readonly refusal: Refusal | undefined

  constructor({ action, rule, reason, from }: AuthorizationDecision, code: 'MESH_FORBIDDEN' | 'MESH_NOT_READY' = 'MESH_FORBIDDEN') {
    this.action = action
    this.rule = rule
    this.reason = reason
    this.from = from
    const status = code === 'MESH_FORBIDDEN' ? 403 : 503
    this.refusal = action === 'allow' ? undefined : Object.freeze({ refused: true, code, status, reason, from })
  }
}

const KEYS = ['name', 'namespace', 'action', 'dryRun', 'rules', 'permissions', 'principals'] as const

/**
 * Reads one policy, or gives everything that is wrong with it; never throws.
 * @param namespace where it lives when it does not say
 * @param folded its paths were folded for applications that route loosely
 */
export function readPolicy(document: unknown, namespace: string, folded = false): ParsedPolicy | { readonly problems: readonly Problem[] } {
  const problems: Problem[] = []
  try {
    const known = folded ? undefined : (document as { [PARSED]?: ParsedPolicy } | undefined)?.[PARSED]
    // Only accounts that name no namespace depend on it, but then they mean another.
    if (known?.namespace === namespace) return known
    const policy = read(document, new Reader(problems, undefined, undefined, folded), namespace)
    return policy === undefined || problems.length > 0 ? { problems } : policy
  } catch {
    // A getter or a proxy of somebody's object; what comes from text has none.
    return { problems: [...problems, { path: [], message: 'cannot be read' }] }
  }
}

/** Where a document that was read carries what was read from it: neither printed nor copied nor compared with it. */
const PARSED = Symbol('parsed')

/** Keeps `parsed` with the document that it came from, which must not change any more. */
export function rememberParsed(document: object, parsed: ParsedPolicy): void {
  if (!Object.hasOwn(document, PARSED)) Object.defineProperty(document, PARSED, { value: parsed })
}

/**
 * Reads a list of policies.
 * @throws MeshError `MESH_CONFIG` with every problem and its path
 */
export function readPolicies(documents: readonly AuthorizationPolicyOptions[], namespace: string): ParsedPolicy[] {
  const problems: Problem[] = []
  const policies: ParsedPolicy[] = []
  for (const [index, document] of documents.entries()) {
    const policy = readPolicy(document, namespace)
    if ('problems' in policy) problems.push(...policy.problems.map(({ path, message }) => ({ path: [index, ...path], message })))
    else policies.push(policy)
  }
  if (problems.length === 0) return policies
  throw new MeshError('MESH_CONFIG', { reason: problems.map((problem) => `policies${problemText(problem)}`).join('\n') })
}

function read(document: unknown, at: Reader, defaultNamespace: string): ParsedPolicy | undefined {
  const fields = at.fields(document, KEYS)
  if (fields === undefined) return undefined
  const name = readName(fields.name, at.at('name'), 253)
  const namespace = fields.namespace === undefined ? defaultNamespace : readName(fields.namespace, at.at('namespace'), 63)
  const action = readAction(fields.action, at.at('action'))
  const dryRun = at.at('dryRun').flag(fields.dryRun)
  const { rules: written, permissions, principals } = fields
  const tree = permissions !== undefined || principals !== undefined
  if (tree && written !== undefined) at.tell('expected either rules, or permissions and principals')
  if (written === undefined && !tree && action === 'deny') at.at('rules').tell(`expected rules: ${NEVER}`)
  const rules = tree
    ? [{ place: 'permissions', condition: readTree(permissions, principals, at) }]
    : readRules(written, at.at('rules'), namespace ?? defaultNamespace, action)
  if (name === undefined || namespace === undefined || action === undefined) return undefined
  return { name, namespace, action, dryRun, rules }
}

const NEVER = 'a deny policy without any never denies; an empty rule, {}, denies everything'

function readRules(written: unknown, at: Reader, namespace: string, action: string | undefined): ParsedPolicy['rules'] {
  // No rules: an allow policy that allows nothing.
  if (written === undefined) return []
  if (Array.isArray(written) && written.length === 0) {
    if (action === 'deny') at.tell(NEVER)
    return []
  }
  return at.list(written, 'rules', (each, place, index) => {
    const condition = readRule(each, place, namespace)
    return condition && { condition, place: `rules[${index}]` }
  })
}

function readTree(permissions: unknown, principals: unknown, at: Reader): Condition {
  const any = (list: unknown, key: string): Condition => anyOf(at.at(key).list(list, 'conditions', (each, place) => readNode(each, place)))
  return allOf([any(permissions, 'permissions'), any(principals, 'principals')])
}

function readAction(value: unknown, at: Reader): 'allow' | 'deny' | undefined {
  if (value === undefined) return 'allow'
  if (value === 'allow' || value === 'ALLOW') return 'allow'
  if (value === 'deny' || value === 'DENY') return 'deny'
  if (/^audit$/i.test(String(value))) return at.tell('audit is not available in this version; dryRun: true counts and decides nothing')
  if (/^custom$/i.test(String(value))) return at.tell('custom is not available in this version')
  return at.tell(`expected allow or deny, got ${typeof value === 'string' ? JSON.stringify(value.slice(0, 60)) : typeof value}`)
}

function readName(value: unknown, at: Reader, max: number): string | undefined {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  if (typeof value === 'string' && value !== '' && value.length <= max && !/[\u0000-\u001f\u007f]/.test(value)) return value
  return at.tell(`expected text of 1 to ${max} characters without control characters`)
}
