import * as v from 'valibot'
import { MeshError } from '../../core/errors.ts'
import { pathText } from './path.ts'
import { copyPlain, type Opaque, textOf } from './plain.ts'

/** What became of an input: the checked copy, or every problem with its path. */
export type Parsed<T> = { readonly output: T } | { readonly problems: string[] }

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
  const { value, problems } = copyPlain(input, opaque)
  try {
    const result = v.safeParse(typeof schema === 'function' ? schema(value) : schema, value)
    if (result.success) return problems.length === 0 ? { output: result.output } : { problems: [...problems] }
    const found = result.issues.map(({ path, message }) =>
      line(
        (path ?? []).map(({ key }) => key as PropertyKey),
        message,
      ),
    )
    // What could not be copied is absent from the copy, and is told once.
    return { problems: [...problems, ...found.filter((each) => !problems.some((known) => pathOf(known) === pathOf(each)))] }
  } catch (error) {
    return { problems: [...problems, `the options cannot be read: ${textOf(error)}`] }
  }
}

/** One error with every problem on a line of its own; `cause.problems` has them as a list. */
export function configError(problems: readonly string[]): MeshError {
  return new MeshError('MESH_CONFIG', {
    reason: problems.length === 1 ? (problems[0] as string) : `${problems.length} problems\n${problems.join('\n')}`,
    cause: Object.freeze({ problems: Object.freeze([...problems]) }),
  })
}

function line(path: readonly PropertyKey[], message: string): string {
  return path.length === 0 ? message : `${pathText(path)}: ${message}`
}

function pathOf(problem: string): string {
  return problem.slice(0, Math.max(0, problem.indexOf(': ')))
}
