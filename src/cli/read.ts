import { namedPath } from '../config/file/list-files.ts'
import { type Configuration, parseContents, readContents } from '../config/file/read-configuration.ts'
import { parse } from '../config/schema/problems.ts'
import { allowAddresses, namespaceName } from '../config/schema/service.ts'
import { AddressPolicy } from '../core/address.ts'
import { systemClock } from '../core/clock.ts'
import { type FileArguments, UsageError } from './arguments.ts'
import type { Output } from './terminal.ts'

/** What was read, and from how many files. */
export interface Read extends Configuration {
  readonly files: number
}

/**
 * Reads and checks files as `fileSource` does, once.
 * @throws UsageError where the options themselves are wrong
 */
export async function read({ files, namespace, allowAddresses: allowed }: FileArguments): Promise<Read> {
  const checked = [
    ['--namespace', parse(namespaceName, namespace)],
    ['--allow-address', parse(allowAddresses, allowed)],
  ] as const
  for (const [option, result] of checked) if ('problems' in result) throw new UsageError(`${option}: ${result.problems.join(', ')}`)
  const contents = await readContents(files.map(namedPath))
  const policy = new AddressPolicy(allowed)
  return { files: contents.files.length, ...(await parseContents(contents, { policy, namespace }, systemClock)) }
}

/** One line per problem, as compilers write them: editors and CI know how to jump to it. */
export function writeProblems({ problems }: Configuration, out: Output): void {
  for (const { file, line, column, message } of problems) {
    const [, path = '', rest = message] = /^([\w-]+(?:[.[][^\s:]*)?: )(.*)$/s.exec(message) ?? []
    out.write(`${out.paint('bold', `${file}:${line}:${column}`)}: ${out.paint('cyan', path)}${rest.replace(/\s*\n\s*/g, ' ')}\n`)
  }
}

/** `1 service`, `2 services`. */
export function count(amount: number, what: string): string {
  return `${amount} ${what}${amount === 1 ? '' : 's'}`
}
