import { type SafePattern, safePattern } from '../core/safe-pattern.ts'
import type { PathRewriteSettings } from '../model/route-settings.ts'

/** Makes another path of a path; the query is not its business. */
export class PathRewrite {
  private readonly settings: PathRewriteSettings
  private readonly pattern: SafePattern | undefined

  /** @throws Error for a pattern that nobody checked */
  constructor(settings: PathRewriteSettings) {
    const { regex } = settings
    const pattern = regex === undefined ? undefined : safePattern(regex.pattern)
    if (pattern !== undefined && 'problem' in pattern) throw new Error(`${JSON.stringify(regex?.pattern)}: ${pattern.problem}`)
    this.settings = settings
    this.pattern = pattern
  }

  /** @param prefixLength how much of `pathname` was matched by name */
  apply(pathname: string, prefixLength: number): string {
    const { prefix, path, regex } = this.settings
    if (path !== undefined) return path
    if (this.pattern !== undefined && regex !== undefined) return rooted(this.pattern.replace(pathname, regex.substitution))
    if (prefix === undefined) return pathname
    const rest = pathname.slice(prefixLength)
    // `/api` becomes `/`: what is left of `/api/orders` must not begin with two slashes.
    return rooted(prefix.endsWith('/') && rest.startsWith('/') ? prefix + rest.slice(1) : prefix + rest)
  }
}

function rooted(path: string): string {
  return path.startsWith('/') ? path : `/${path}`
}
