import * as v from 'valibot'
import { MeshError } from '../../core/errors.ts'
import { isPlainObject } from './blocks.ts'

/** Parses `input`, or gives every problem with its path. */
export function parse<T>(schema: v.GenericSchema<unknown, T>, input: unknown): { readonly output: T } | { readonly problems: string[] } {
  const dangers = dangerousKeys(input)
  if (dangers.length > 0) return { problems: dangers }
  let result: ReturnType<typeof v.safeParse<typeof schema>>
  try {
    result = v.safeParse(schema, input)
  } catch (error) {
    // A getter of the input threw, or the input is deeper than the stack.
    return { problems: [`the options cannot be read: ${error instanceof Error ? error.message : String(error)}`] }
  }
  return result.success
    ? { output: result.output }
    : { problems: result.issues.map(({ path, message }) => withPath(path as readonly { key: unknown }[] | undefined, message)) }
}

/** One error with every problem on a line of its own. */
export function configError(problems: readonly string[]): MeshError {
  return new MeshError('MESH_CONFIG', {
    reason: problems.length === 1 ? (problems[0] as string) : `${problems.length} problems\n${problems.join('\n')}`,
  })
}

function withPath(path: readonly { key: unknown }[] | undefined, message: string): string {
  const text = (path ?? []).reduce<string>((sofar, { key }) => {
    if (typeof key === 'number') return `${sofar}[${key}]`
    const name = String(key)
    if (!/^[\w-]+$/.test(name)) return `${sofar}[${JSON.stringify(name)}]`
    return sofar === '' ? name : `${sofar}.${name}`
  }, '')
  return text === '' ? message : `${text}: ${message}`
}

/** Own `__proto__` keys anywhere: they come from parsed text, and nothing good is meant by them. */
function dangerousKeys(input: unknown): string[] {
  const found: string[] = []
  const seen = new Set<object>()
  const walk = (value: unknown, path: readonly { key: unknown }[]): void => {
    if (typeof value !== 'object' || value === null || seen.has(value) || path.length > 64) return
    if (!Array.isArray(value) && !isPlainObject(value)) return
    seen.add(value)
    for (const key of Object.keys(value)) {
      const here = [...path, { key: Array.isArray(value) ? Number(key) : key }]
      if (key === '__proto__') found.push(withPath(here, 'this key is not allowed'))
      else walk((value as Record<string, unknown>)[key], here)
    }
  }
  try {
    walk(input, [])
  } catch {}
  return found
}
