/** A template as it is compared: what every path begins with that it matches, and the test of the whole. */
export interface PathTemplate {
  readonly literal: string
  test(path: string): boolean
}

/**
 * Reads a URI template (Envoy `uri_template_match.proto`): `*` and `{name}` stand for one segment or a part of one, `**` for the rest
 * with its slashes, `{name=pattern}` for what its pattern stands for. Says in words what is wrong with it.
 */
export function pathTemplate(template: string): PathTemplate | { readonly problem: string } {
  if (!template.startsWith('/')) return { problem: 'begins with no /' }
  const names = new Set<string>()
  let source = ''
  for (let at = 0; at < template.length; ) {
    const rest = template.slice(at)
    const variable = /^\{([^{}=]*)(?:=([^{}]*))?\}/.exec(rest)
    if (variable !== null) {
      const [written, name = '', pattern = '*'] = variable
      if (!/^[a-zA-Z]\w{0,15}$/.test(name)) return { problem: `${written} has no name of letters, digits and _, at most 16` }
      if (names.has(name)) return { problem: `${name} is there twice` }
      if (pattern === '') return { problem: `${written} stands for nothing` }
      names.add(name)
      source += wildcards(pattern)
      at += written.length
    } else if (/^[{}]/.test(rest)) {
      return { problem: 'has braces that do not belong together' }
    } else {
      const [written] = /^[^{}]+/.exec(rest) as unknown as [string]
      source += wildcards(written)
      at += written.length
    }
  }
  const problem = wildcardProblem(template)
  if (problem !== undefined) return { problem }
  // Native and yet safe: one wildcard in a segment, and what takes slashes is the last, so there is only one way to divide a path.
  const pattern = new RegExp(`^${source}$`)
  return { literal: (/^[^{*]*/.exec(template) as unknown as [string])[0], test: (path) => pattern.test(path) }
}

function wildcardProblem(template: string): string | undefined {
  const bare = template.replace(/\{[^{}=]*(?:=([^{}]*))?\}/g, (_, pattern: string | undefined) => pattern ?? '*')
  const rest = bare.indexOf('**')
  if (/\*{3}/.test(bare)) return 'has three * in a row'
  if (/\}[{*]|\*\{/.test(template)) return 'has two wildcards side by side'
  if (rest >= 0 && bare.indexOf('*', rest + 2) >= 0) return 'has a wildcard after **'
  const segment = bare.split('/').find((each) => (each.replace('**', '*').match(/\*/g) ?? []).length > 1)
  return segment === undefined ? undefined : `has two wildcards in one segment: ${segment}`
}

function wildcards(text: string): string {
  return text.replace(/\*\*|\*|[^*\w/]/g, (found) => (found === '**' ? '.*' : found === '*' ? '[^/]+' : `\\${found}`))
}
