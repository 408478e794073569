import { parseArgs } from 'node:util'
import type { ExplainRequest } from '../model/explanation.ts'

/** What both commands know beside their files. */
export interface FileArguments {
  readonly files: readonly string[]
  readonly namespace: string
  readonly allowAddresses: readonly string[]
}

/** What was asked for. */
export type Command =
  | { readonly name: 'help' }
  | { readonly name: 'version' }
  | ({ readonly name: 'check' } & FileArguments)
  | ({ readonly name: 'explain'; readonly request: ExplainRequest; readonly json: boolean } & FileArguments)

/** The command line is not understood; `message` says what of it. */
export class UsageError extends Error {}

const OPTIONS = {
  namespace: { type: 'string', default: 'default' },
  'allow-address': { type: 'string', multiple: true, default: [] as string[] },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
  version: { type: 'boolean', default: false },
} as const

const REQUEST_OPTIONS = { header: { type: 'string', short: 'H', multiple: true, default: [] as string[] } } as const

/**
 * Reads a command line, without the program's own name.
 * @throws UsageError
 */
export function parseCommand(argv: readonly string[]): Command {
  const divider = argv.indexOf('--')
  const [own, request] = divider < 0 ? [argv, undefined] : [argv.slice(0, divider), argv.slice(divider + 1)]
  const { values, positionals } = understood(() => parseArgs({ args: [...own], options: OPTIONS, allowPositionals: true }))
  if (values.help) return { name: 'help' }
  if (values.version) return { name: 'version' }
  const [name, ...files] = positionals
  if (name === undefined) throw new UsageError('a command is missing')
  if (name !== 'check' && name !== 'explain') throw new UsageError(`unknown command ${JSON.stringify(name)}`)
  if (files.length === 0) throw new UsageError(`${name}: at least one file or directory is missing`)
  const common = { files, namespace: values.namespace, allowAddresses: values['allow-address'] }
  if (name === 'explain') return { name, ...common, json: values.json, request: parseRequest(request) }
  if (values.json) throw new UsageError('check has no --json')
  if (request !== undefined) throw new UsageError('check asks about no request: nothing may follow --')
  return { name, ...common }
}

function parseRequest(args: readonly string[] | undefined): ExplainRequest {
  if (args === undefined) throw new UsageError('explain: the request is missing; it follows --')
  const { values, positionals } = understood(() => parseArgs({ args: [...args], options: REQUEST_OPTIONS, allowPositionals: true }))
  const [method, url, ...rest] = positionals.length === 1 ? ['GET', ...positionals] : positionals
  if (method === undefined || url === undefined) throw new UsageError('explain: the URL is missing')
  if (rest.length > 0) throw new UsageError(`explain: what is ${JSON.stringify(rest[0])} after the URL?`)
  if (!/^[\w!#$%&'*+.^`|~-]+$/.test(method)) throw new UsageError(`explain: ${JSON.stringify(method)} is no method`)
  return { method, url, headers: Object.fromEntries(values.header.map(parseHeader)) }
}

function parseHeader(written: string): [name: string, value: string] {
  const [, name = '', value = ''] = /^([^:\s]+):\s*(.*)$/s.exec(written) ?? []
  if (name === '') throw new UsageError(`explain: expected a header such as 'x-canary: 1', got ${JSON.stringify(written)}`)
  return [name.toLowerCase(), value.trim()]
}

function understood<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    // What follows the first sentence is advice about `--`, which means something else here.
    throw new UsageError((error as Error).message.replace(/\. .*$/s, ''))
  }
}
