import type { AuthorizationNode, AuthorizationPolicyOptions, AuthorizationText } from '../../model/authorization.ts'
import { foldCase, foldPathname } from '../canonical/pathname.ts'

type PathText = AuthorizationText & { template?: string }

/**
 * A policy as it is meant where the application routes without regard to case and a trailing slash: its paths folded, each with and
 * without the slash. A request that is let in must be let in under the policies as written, and folded under these: so what is forbidden
 * is forbidden in any spelling, and nothing is allowed that was not before.
 */
export function foldPolicy(policy: AuthorizationPolicyOptions): AuthorizationPolicyOptions {
  const { rules, permissions, principals } = policy
  return {
    ...policy,
    ...(rules && {
      rules: rules.map((rule) => ({
        ...rule,
        ...(rule.to && { to: rule.to.map(({ operation }) => ({ operation: foldPaths(operation) })) }),
      })),
    }),
    ...(permissions && { permissions: permissions.map(foldNode) }),
    ...(principals && { principals: principals.map(foldNode) }),
  }
}

function foldPaths<Operation extends { paths?: string[]; notPaths?: string[] }>(operation: Operation): Operation {
  const { paths, notPaths } = operation
  return {
    ...operation,
    ...(paths && { paths: paths.flatMap(foldPattern) }),
    ...(notPaths && { notPaths: notPaths.flatMap(foldPattern) }),
  }
}

/** `/A` is `/a` and `/a/`; what ends openly ends so still. */
export function foldPattern(pattern: string): string[] {
  if (pattern === '*') return [pattern]
  if (pattern.endsWith('*')) return [`${foldPrefix(pattern.slice(0, -1))}*`]
  if (pattern.startsWith('*') || /[{}]/.test(pattern)) return bothEnds(foldCase(pattern))
  return bothEnds(foldPathname(pattern))
}

function foldPrefix(prefix: string): string {
  const folded = foldPathname(prefix)
  return prefix.endsWith('/') && !folded.endsWith('/') ? `${folded}/` : folded
}

function bothEnds(path: string): string[] {
  const bare = path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path
  return bare === '/' || bare === '*' || bare.endsWith('{**}') ? [path] : [bare, `${bare}/`]
}

function foldNode(node: AuthorizationNode): AuthorizationNode {
  if (node.and !== undefined) return { and: node.and.map(foldNode) }
  if (node.or !== undefined) return { or: node.or.map(foldNode) }
  if (node.not !== undefined) return { not: foldNode(node.not) }
  if (node.path === undefined) return node
  const texts = foldText(node.path).map((path): AuthorizationNode => ({ path }))
  return texts.length === 1 ? (texts[0] as AuthorizationNode) : { or: texts }
}

function foldText(text: PathText): PathText[] {
  const { exact, prefix, suffix, contains, regex, template } = text
  if (exact !== undefined) return bothEnds(foldPathname(exact)).map((each) => ({ exact: each }))
  if (prefix !== undefined) return [{ prefix: foldPrefix(prefix) }]
  if (suffix !== undefined) return bothEnds(foldCase(suffix)).map((each) => ({ suffix: each }))
  if (contains !== undefined) return [{ contains: foldCase(contains) }]
  if (regex !== undefined) return [{ regex: `(?i:(?:${regex})/?)` }]
  return template === undefined ? [text] : bothEnds(foldCase(template)).map((each) => ({ template: each }))
}
