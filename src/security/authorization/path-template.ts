import type { Reader } from './reader.ts'
import type { TextTest } from './text-test.ts'

/**
 * A path with `{*}`, which is one segment that is not empty, and at most one `{**}`, which is any text, also none. Both stand for
 * whole segments. `/files/{**}` is `/files/` and everything below it, and not `/files`, as in Istio and Envoy.
 */
export class PathTemplate implements TextTest {
  readonly kind = 'template'
  /** The literal that it begins with. */
  readonly text: string
  private readonly before: readonly string[]
  private readonly rest: boolean
  private readonly after: string

  constructor(template: string) {
    const [head = '', tail] = template.split('{**}')
    this.rest = tail !== undefined
    this.after = tail ?? ''
    // Literals with a hole between each two.
    this.before = head.split('{*}')
    this.text = this.before[0] as string
  }

  matches(path: string): boolean {
    let at = 0
    for (let index = 0; index < this.before.length; index++) {
      const literal = this.before[index] as string
      if (index > 0) {
        const end = path.indexOf('/', at)
        const next = end < 0 ? path.length : end
        if (next === at) return false
        at = next
      }
      if (!path.startsWith(literal, at)) return false
      at += literal.length
    }
    if (!this.rest) return at === path.length
    return path.length - at >= this.after.length && path.endsWith(this.after)
  }
}

/** Reads a template: what stands in braces is a whole segment, and nothing but literals follow `{**}`. */
export function readTemplate(template: string, at: Reader): PathTemplate | undefined {
  const segments = template.split('/')
  const wrong = segments.find((segment) => /[{}*]/.test(segment) && segment !== '{*}' && segment !== '{**}')
  if (wrong !== undefined) return at.tell(`{*} and {**} stand for whole segments, got ${JSON.stringify(wrong)}`)
  const rest = segments.indexOf('{**}')
  if (rest >= 0 && segments.slice(rest + 1).some((segment) => segment.startsWith('{')))
    return at.tell('after {**} only literals may follow')
  return new PathTemplate(template)
}
