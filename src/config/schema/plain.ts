import { isPlainObject } from './blocks.ts'
import type { Problem } from './path.ts'

/** Keys at the root (`gates`), or one below (`inbound.gates`), whose values only code can give: kept as they are, and never looked into. */
export type Opaque = Readonly<Record<string, 'value' | 'list'>>

/** What came in, as plain data that nobody else holds. */
export interface Plain {
  readonly value: unknown
  readonly problems: readonly Problem[]
}

const MAX_DEPTH = 64
const MAX_ITEMS = 1_000_000

/**
 * A copy of `input` read exactly once: what was checked is what is used, even when a getter answers differently each time.
 * Objects lose their prototype, so that nothing inherited is ever taken for written; an object that is there twice is
 * copied once, or a handful of YAML aliases would unfold into millions. Class instances and functions stay as they are.
 */
export function copyPlain(input: unknown, opaque: Opaque = {}): Plain {
  const problems: Problem[] = []
  const done = new Map<object, unknown>()
  const open = new Set<object>()

  const copy = (value: unknown, path: readonly PropertyKey[]): unknown => {
    if (typeof value !== 'object' || value === null) return value
    if (done.has(value)) return done.get(value)
    const isList = Array.isArray(value)
    if (!isList && !isPlainObject(value)) return value
    if (open.has(value) || path.length > MAX_DEPTH || (isList && value.length > MAX_ITEMS)) {
      problems.push(problem(path, open.has(value) ? 'refers to itself' : isList ? 'is too long a list' : 'is nested too deeply'))
      return undefined
    }
    open.add(value)
    const copied = isList ? copyList(value, path) : copyObject(value, path)
    open.delete(value)
    done.set(value, copied)
    return copied
  }

  const copyList = (list: readonly unknown[], path: readonly PropertyKey[]): unknown[] => {
    const copied: unknown[] = []
    for (let index = 0; index < list.length; index++) copied.push(guarded(() => list[index], [...path, index], copy))
    return copied
  }

  const copyObject = (object: Record<string, unknown>, path: readonly PropertyKey[]): unknown => {
    const copied = Object.create(null) as Record<string, unknown>
    for (const key of Object.keys(object)) {
      const here = [...path, key]
      // It comes from parsed text, and nothing good is meant by it.
      if (key === '__proto__') problems.push(problem(here, 'this key is not allowed'))
      else copied[key] = guarded(() => object[key], here, path.length < 2 ? kept(opaque[here.join('.')], copy) : copy)
    }
    return copied
  }

  const guarded = (
    read: () => unknown,
    path: readonly PropertyKey[],
    use: (value: unknown, path: readonly PropertyKey[]) => unknown,
  ): unknown => {
    try {
      return use(read(), path)
    } catch (error) {
      problems.push(problem(path, `cannot be read: ${textOf(error)}`))
      return undefined
    }
  }

  const value = guarded(() => input, [], copy)
  return { value, problems }
}

function kept<Use>(how: Opaque[string] | undefined, copy: Use): Use | ((value: unknown) => unknown) {
  if (how === undefined) return copy
  return how === 'value' ? (value) => value : (value) => (Array.isArray(value) ? [...(value as unknown[])] : value)
}

function problem(path: readonly PropertyKey[], message: string): Problem {
  return { path, message: path.length === 0 ? `the options: ${message}` : message }
}

/** What was thrown, in words; it may be anything, even something that cannot be printed. */
export function textOf(thrown: unknown): string {
  try {
    return thrown instanceof Error ? String(thrown.message) : String(thrown)
  } catch {
    return 'something that cannot be printed was thrown'
  }
}
