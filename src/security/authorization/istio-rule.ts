import type { AuthorizationOperation, AuthorizationSource } from '../../model/authorization.ts'
import { ClaimIs } from './claim-is.ts'
import { allOf, anyOf, type Condition, Not } from './condition.ts'
import { HeaderIs, HeaderPresent } from './header-is.ts'
import { NamespaceIs, PrincipalIs, ServiceAccountIs, TextIs } from './matches.ts'
import type { Reader } from './reader.ts'
import { readPattern } from './text-matcher.ts'
import { type ReadValues, readAddresses, readHosts, readMethods, readPaths, readPatterns, readPorts } from './values.ts'

const readPrincipals: ReadValues = (value, at) =>
  new PrincipalIs(
    at.list(value, 'principals', (each, place) => readPattern(each, place, 'a SPIFFE id such as cluster.local/ns/shop/sa/web')),
  )
const readRequestPrincipals: ReadValues = (value, at) =>
  new TextIs(({ requestPrincipal }) => requestPrincipal?.id, readPatterns(value, at, 'request principals'))
const readNamespaces: ReadValues = (value, at) => new NamespaceIs(readPatterns(value, at, 'namespaces'))

/** `account` lives in the namespace of the policy. */
const readServiceAccounts: ReadValues = (value, at, namespace) =>
  new ServiceAccountIs(
    at.list(value, 'service accounts', (each, place) => {
      const found = typeof each === 'string' ? /^(?:([^/*]+)\/)?([^/*]+)$/.exec(each) : null
      return found === null ? place.tell('expected account or namespace/account') : `${found[1] ?? namespace}/${found[2]}`
    }),
  )

/** Fields that may be written, each with its negation. */
interface Table {
  readonly rows: readonly (readonly [is: string, not: string, read: ReadValues])[]
  readonly names: readonly string[]
}

function tableOf<Field extends string>(...rows: readonly (readonly [is: Field, not: Field, read: ReadValues])[]): Table {
  return { rows, names: rows.flatMap((row) => row.slice(0, 2) as string[]) }
}

const SOURCE = tableOf<keyof AuthorizationSource>(
  ['principals', 'notPrincipals', readPrincipals],
  ['requestPrincipals', 'notRequestPrincipals', readRequestPrincipals],
  ['namespaces', 'notNamespaces', readNamespaces],
  ['serviceAccounts', 'notServiceAccounts', readServiceAccounts],
  ['ipBlocks', 'notIpBlocks', readAddresses('peerAddress')],
  ['remoteIpBlocks', 'notRemoteIpBlocks', readAddresses('remoteAddress')],
)

const OPERATION = tableOf<keyof AuthorizationOperation>(
  ['hosts', 'notHosts', readHosts],
  ['ports', 'notPorts', readPorts],
  ['methods', 'notMethods', readMethods],
  ['paths', 'notPaths', readPaths],
)

/** Reads one of `rules`, with Istio's own checks: what would match nothing by mistake is refused. */
export function readRule(value: unknown, at: Reader, namespace: string): Condition | undefined {
  const rule = at.fields(value, ['from', 'to', 'when'])
  if (rule === undefined) return undefined
  const parts: Condition[] = []
  if (rule.from !== undefined) parts.push(readAlternatives(rule.from, at.at('from'), 'source', SOURCE, namespace))
  if (rule.to !== undefined) parts.push(readAlternatives(rule.to, at.at('to'), 'operation', OPERATION, namespace))
  if (rule.when !== undefined) parts.push(...at.at('when').list(rule.when, 'conditions', (each, place) => readWhen(each, place, namespace)))
  return allOf(parts)
}

function readAlternatives(value: unknown, at: Reader, key: string, table: Table, namespace: string): Condition {
  return anyOf(
    at.list(value, `{ ${key} }`, (each, place) => {
      const wrapper = place.fields(each, [key])
      return wrapper === undefined ? undefined : readFields(wrapper[key], place.at(key), table, namespace)
    }),
  )
}

function readFields(value: unknown, at: Reader, { rows, names }: Table, namespace: string): Condition | undefined {
  const fields = at.fields(value, names)
  if (fields === undefined) return undefined
  if (Object.keys(value as object).length === 0) return at.tell(`expected at least one of ${names.join(', ')}`)
  const parts: Condition[] = []
  for (const [is, not, read] of rows) {
    if (fields[is] !== undefined) parts.push(read(fields[is], at.at(is), namespace))
    if (fields[not] !== undefined) parts.push(new Not(read(fields[not], at.at(not), namespace)))
  }
  return allOf(parts)
}

function readWhen(value: unknown, at: Reader, namespace: string): Condition | undefined {
  const fields = at.fields(value, ['key', 'values', 'notValues'])
  if (fields === undefined) return undefined
  const key = at.at('key').text(fields.key, 'a key such as request.headers[x-team] or source.ip')
  const read = key === undefined ? undefined : readerOf(key, at.at('key'))
  if (fields.values === undefined && fields.notValues === undefined) return at.tell('expected values or notValues')
  if (read === undefined) return undefined
  const parts: Condition[] = []
  if (fields.values !== undefined) parts.push(read(texts(fields.values), at.at('values'), namespace))
  if (fields.notValues !== undefined) parts.push(new Not(read(texts(fields.notValues), at.at('notValues'), namespace)))
  return allOf(parts)
}

/** YAML reads `8080` as a number; every value of a condition is text. */
function texts(values: unknown): unknown {
  return Array.isArray(values) ? values.map((each) => (Number.isFinite(each) ? String(each) : (each as unknown))) : values
}

const BY_KEY: ReadonlyMap<string, ReadValues> = new Map<string, ReadValues>([
  ['source.ip', readAddresses('peerAddress')],
  ['remote.ip', readAddresses('remoteAddress')],
  ['source.namespace', readNamespaces],
  ['source.principal', readPrincipals],
  ['request.auth.principal', readRequestPrincipals],
  ['request.auth.audiences', claim(['aud'])],
  ['request.auth.presenter', claim(['azp'])],
  ['destination.ip', readAddresses('localAddress')],
  ['destination.port', readPorts],
  ['connection.sni', (value, at) => new TextIs(({ serverName }) => serverName, readPatterns(value, at, 'names'))],
])

function readerOf(key: string, at: Reader): ReadValues | undefined {
  const known = BY_KEY.get(key)
  if (known !== undefined) return known
  const header = /^request\.headers\[([^\]]*)\]$/.exec(key)?.[1]
  if (header !== undefined) {
    const name = headerName(header, at)
    return name === undefined ? undefined : readHeader(name)
  }
  const claims = /^request\.auth\.claims((?:\[[^[\]]+\])+)$/.exec(key)?.[1]
  if (claims !== undefined) return claim(claims.slice(1, -1).split(']['))
  return at.tell(`expected request.headers[…], request.auth.claims[…], ${[...BY_KEY.keys()].join(', ')}, got ${JSON.stringify(key)}`)
}

function readHeader(name: string): ReadValues {
  return (value, at) => {
    const matcher = readPatterns(value, at, 'values', valueProblem)
    return matcher.any ? new HeaderPresent(name, true) : new HeaderIs(name, matcher)
  }
}

function claim(path: readonly string[]): ReadValues {
  return (value, at) => {
    const matcher = readPatterns(value, at, 'values')
    return new ClaimIs(path, matcher.any ? undefined : matcher)
  }
}

/** The lower-case name of a header, or why it is none. */
export function headerName(name: unknown, at: Reader): string | undefined {
  if (typeof name === 'string' && /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,256}$/.test(name)) return name.toLowerCase()
  return at.tell(
    typeof name === 'string' && name.startsWith(':')
      ? `${name} is no header here: methods, paths and hosts have conditions of their own`
      : 'expected the name of a header',
  )
}

/** Values of a header are taken apart at commas, so nothing with a comma in it is ever one of them. */
export function valueProblem(text: string): string | undefined {
  return text.includes(',') ? 'values are compared one by one, apart at their commas: no value has a comma' : undefined
}
