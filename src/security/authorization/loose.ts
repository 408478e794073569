import type {
  AuthorizationNode,
  AuthorizationOperation,
  AuthorizationPolicyOptions,
  AuthorizationRule,
  AuthorizationText,
} from '../../model/authorization.ts'
import { foldPathname } from '../canonical/pathname.ts'

/**
 * The same policy for paths that were folded: what an application takes for one path that routes without case and trailing slash is
 * one path here. It is asked after the policy as it is written, and only when that lets the request in, so it may let in more where
 * folding has taken a slash away (`widen`), and must not otherwise.
 */
export function looseDocument(document: AuthorizationPolicyOptions): AuthorizationPolicyOptions {
  const allows = /^allow$/i.test(document.action ?? 'allow')
  const { rules, permissions, principals } = document
  return {
    ...document,
    ...(rules === undefined ? {} : { rules: rules.map((rule) => looseRule(rule, allows)) }),
    ...(permissions === undefined ? {} : { permissions: permissions.map((node) => looseNode(node, allows)) }),
    ...(principals === undefined ? {} : { principals: principals.map((node) => looseNode(node, allows)) }),
  }
}

/**
 * Whether a path that is its own folded form needs no second look: no rule says more of it folded than as it is written. What would only
 * be let in besides counts for nothing, since the written policy has let it in already.
 */
export function isLooseAlready(document: AuthorizationPolicyOptions): boolean {
  const { rules = [], permissions = [], principals = [] } = document
  if (permissions.length + principals.length > 0) return false
  return rules.every(({ to = [] }) => to.every(({ operation: { paths = [], notPaths = [] } }) => [...paths, ...notPaths].every(isFolded)))
}

function isFolded(pattern: string): boolean {
  const [only] = loosePatterns(pattern, false)
  return only === pattern
}

function looseRule(rule: AuthorizationRule, allows: boolean): AuthorizationRule {
  return rule.to === undefined ? rule : { ...rule, to: rule.to.map(({ operation }) => ({ operation: looseOperation(operation, allows) })) }
}

function looseOperation(operation: AuthorizationOperation, allows: boolean): AuthorizationOperation {
  const { paths, notPaths } = operation
  return {
    ...operation,
    ...(paths === undefined ? {} : { paths: paths.flatMap((path) => loosePatterns(path, allows)) }),
    ...(notPaths === undefined ? {} : { notPaths: notPaths.flatMap((path) => loosePatterns(path, !allows)) }),
  }
}

/** `/Public/*` and, where more may match, `/public`: the folded form of `/public/`. */
function loosePatterns(pattern: string, widen: boolean): string[] {
  if (pattern === '*') return [pattern]
  if (pattern.startsWith('*')) {
    const suffix = pattern.slice(1).toLowerCase()
    return [`*${widen && suffix.length > 1 ? suffix.replace(/\/$/, '') : suffix}`]
  }
  if (pattern.endsWith('*') || pattern.endsWith('/{**}')) {
    const wildcard = pattern.endsWith('*') ? '*' : '{**}'
    const prefix = loosePrefix(pattern.slice(0, -wildcard.length))
    return widen && prefix.length > 1 && prefix.endsWith('/') ? [`${prefix}${wildcard}`, prefix.slice(0, -1)] : [`${prefix}${wildcard}`]
  }
  return [folded(pattern)]
}

/** Folded, with the slash at its end that a prefix needs. */
function loosePrefix(prefix: string): string {
  const bare = folded(prefix)
  return prefix.length > 1 && prefix.endsWith('/') && bare !== '/' ? `${bare}/` : bare
}

/** Segment by segment where some stand for others. */
function folded(path: string): string {
  if (!path.includes('{*')) return foldPathname(path)
  const segments = path.replace(/\/$/, '').split('/')
  return segments.map((segment) => (segment.startsWith('{') ? segment : foldPathname(`/${segment}`).slice(1))).join('/')
}

function looseNode(node: AuthorizationNode, widen: boolean): AuthorizationNode {
  if (node.and !== undefined) return { and: node.and.map((each) => looseNode(each, widen)) }
  if (node.or !== undefined) return { or: node.or.map((each) => looseNode(each, widen)) }
  if (node.not !== undefined) return { not: looseNode(node.not, !widen) }
  return node.path === undefined ? node : loosePath(node.path, widen)
}

function loosePath(path: AuthorizationText & { template?: string }, widen: boolean): AuthorizationNode {
  const { exact, prefix, template } = path
  if (template !== undefined) {
    const [pattern = template, bare] = loosePatterns(template, widen)
    return bare === undefined ? { path: { template: pattern } } : { or: [{ path: { template: pattern } }, { path: { exact: bare } }] }
  }
  if (exact !== undefined) return { path: { ...path, exact: foldPathname(exact), ignoreCase: true } }
  if (prefix === undefined) return { path: { ...path, ignoreCase: true } }
  const below: AuthorizationNode = { path: { ...path, prefix: loosePrefix(prefix), ignoreCase: true } }
  const bare = foldPathname(prefix)
  return widen && prefix.length > 1 && prefix.endsWith('/') ? { or: [below, { path: { exact: bare } }] } : below
}
