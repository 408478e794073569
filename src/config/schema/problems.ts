import * as v from 'valibot'
import { MeshError } from '../../core/errors.ts'
import { type Problem, pathText, problemText } from './path.ts'
import { copyPlain, type Opaque, type Plain, textOf } from './plain.ts'

/** What became of an input: the checked copy, or every problem with its path. */
export type Parsed<T> = { readonly output: T } | { readonly problems: string[] }

/** The same with every problem's path apart, for whoever knows where each part was written. */
export type Checked<T> = { readonly output: T } | { readonly problems: readonly Problem[] }

/**
 * Checks a copy of `input`, or gives every problem with its path; never throws. `schemaFor` is asked with that copy, for schemas
 * that need to know one part of the input to judge another.
 * @param opaque keys at the root that are kept by reference
 */
export function parse<T>(
  schema: v.GenericSchema<unknown, T> | ((plain: unknown) => v.GenericSchema<unknown, T>),
  input: unknown,
  opaque?: Opaque,
): Parsed<T> {
  const result = check(schema, input, opaque)
  return 'output' in result ? result : { problems: result.problems.map(problemText) }
}

/** {@link parse}, with problems that keep their paths. */
export function check<T>(
  schema: v.GenericSchema<unknown, T> | ((plain: unknown) => v.GenericSchema<unknown, T>),
  input: unknown,
  opaque?: Opaque,
): Checked<T> {
  return judge(schema, copyPlain(input, opaque))
}

/** {@link check} of what was copied already. */
export function judge<T>(
  schema: v.GenericSchema<unknown, T> | ((plain: unknown) => v.GenericSchema<unknown, T>),
  { value, problems }: Plain,
): Checked<T> {
  try {
    const result = v.safeParse(typeof schema === 'function' ? schema(value) : schema, value)
    if (result.success) return problems.length === 0 ? { output: result.output } : { problems }
    // What could not be copied is absent from the copy, and is told once.
    const told = new Set(problems.map(({ path }) => pathText(path)))
    const found = result.issues.map(({ path, message }) => ({ path: (path ?? []).map(({ key }) => key as PropertyKey), message }))
    return { problems: [...problems, ...found.filter(({ path }) => !told.has(pathText(path)))] }
  } catch (error) {
    return { problems: [...problems, { path: [], message: `the options cannot be read: ${textOf(error)}` }] }
  }
}

/** One error with every problem on a line of its own; `cause.problems` has them as a list. */
export function configError(problems: readonly string[]): MeshError {
  return new MeshError('MESH_CONFIG', {
    reason: problems.length === 1 ? (problems[0] as string) : `${problems.length} problems\n${problems.join('\n')}`,
    cause: Object.freeze({ problems: Object.freeze([...problems]) }),
  })
}
