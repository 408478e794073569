import type { AddressPolicy } from '../../core/address.ts'
import { acrossAuthorization, authorizationPolicy, type ParsedAuthorizationPolicy } from '../schema/authorization.ts'
import { isPlainObject, print, record } from '../schema/blocks.ts'
import { pathText, problemText } from '../schema/path.ts'
import { check } from '../schema/problems.ts'
import type { ParsedRoute } from '../schema/routes.ts'
import { acrossServices, LATER_KEYS, type ParsedService, singleServiceSchema } from '../schema/service.ts'
import type { Written } from '../short-form.ts'
import { MergedRoutes } from './merge-routes.ts'
import type { FileProblems, Position } from './problem.ts'
import type { Slices } from './slices.ts'
import { type WrittenPlaces, writtenPolicy, writtenService } from './written-places.ts'
import type { FileDocument } from './yaml-documents.ts'

/** How a configuration is judged. */
export interface Judgement {
  readonly policy: AddressPolicy
  /** Where services live that name none. */
  readonly namespace: string
}

/** A place in a file. */
interface Place extends Position {
  readonly file: string
}

/** The services of a document in the short form, each by its name. */
export type Services = ReadonlyMap<string, ParsedService>

/** What several documents are together. */
export interface Merged {
  /** Undefined where something is wrong. */
  readonly services: Services | undefined
  /** In the order in which they were written. */
  readonly routes: readonly ParsedRoute[]
  /** Who may call; of no use where something is wrong. */
  readonly authorization: readonly ParsedAuthorizationPolicy[]
  /** The same services as they were written. */
  readonly written: Readonly<Record<string, unknown>>
  readonly writtenRoutes: readonly unknown[]
  /** Where all of it stands. */
  readonly places: WrittenPlaces
}

/** What is written in several documents, joined; each part remembers who wrote it. */
class Joined {
  readonly services = new Parts('services')
  readonly routes = new MergedRoutes()
  /** Whatever stands beside them. */
  readonly others = new Parts()
  /** Who may call: a list that each document goes on with. */
  readonly authorization: { readonly value: unknown; readonly writer: FileDocument; readonly index: number }[] = []

  private readonly problems: FileProblems

  constructor(documents: readonly FileDocument[], problems: FileProblems) {
    this.problems = problems
    for (const document of documents) this.add(document)
  }

  tell(document: FileDocument, path: readonly PropertyKey[], message: string): void {
    // What could not be read is told already, and missing for that reason only.
    if (document.unread.has(pathText(path))) return
    this.problems.add({ kind: 'invalid', file: document.file, ...document.positionOf(path), message: problemText({ path, message }) })
  }

  private add(document: FileDocument): void {
    const { value } = document
    if (!isPlainObject(value)) {
      this.tell(document, [], `expected an object with services, got ${print(value)}`)
      return
    }
    for (const [key, part] of Object.entries(value)) {
      if (key === 'routes') this.routes.add(document, part, (...problem) => this.tell(...problem))
      else if (key === 'authorization') this.addPolicies(part, document)
      else if (key !== 'services') this.put(this.others, key, part, document)
      else if (!isPlainObject(part)) this.tell(document, [key], `expected an object, got ${print(part)}`)
      else for (const [name, service] of Object.entries(part)) this.put(this.services, name, service, document)
    }
  }

  private addPolicies(list: unknown, writer: FileDocument): void {
    if (!Array.isArray(list)) this.tell(writer, ['authorization'], `expected a list of authorization policies, got ${print(list)}`)
    else for (const [index, value] of (list as unknown[]).entries()) this.authorization.push({ value, writer, index })
  }

  private put(parts: Parts, key: string, value: unknown, document: FileDocument): void {
    const first = parts.place(key)
    const what = parts === this.services ? 'service' : 'key'
    if (first === undefined) parts.add(key, value, document)
    else this.tell(document, parts.path(key), `this ${what} is there twice, first at ${placeText(first)}`)
  }
}

/** Values under one heading, and who wrote each. */
class Parts {
  readonly prefix: readonly string[]
  readonly values = Object.create(null) as Record<string, unknown>
  readonly writers = new Map<string, FileDocument>()

  constructor(...prefix: readonly string[]) {
    this.prefix = prefix
  }

  add(key: string, value: unknown, writer: FileDocument): void {
    this.values[key] = value
    this.writers.set(key, writer)
  }

  path(key: PropertyKey): PropertyKey[] {
    return [...this.prefix, key]
  }

  place(key: string): Place | undefined {
    const writer = this.writers.get(key)
    return writer === undefined ? undefined : { file: writer.file, ...writer.positionOf(this.path(key)) }
  }
}

/**
 * One configuration from many documents: they are joined service by service and then judged as one, since two files may claim
 * one host as well as two services of one file. Each problem goes back to the place where its part was written.
 */
export async function mergeDocuments(
  documents: readonly FileDocument[],
  problems: FileProblems,
  judgement: Judgement,
  slices: Slices,
): Promise<Merged> {
  const joined = new Joined(documents, problems)
  const { services: written, others } = joined
  const report = (path: readonly PropertyKey[], message: string): void => {
    const writer = written.writers.get(String(path[0]))
    if (writer !== undefined) joined.tell(writer, ['services', ...path], message)
  }
  const rest = check(record({}, LATER_KEYS), others.values)
  for (const { path, message } of 'problems' in rest ? rest.problems : []) {
    const writer = others.writers.get(String(path[0]))
    if (writer !== undefined) joined.tell(writer, path, message)
  }
  const services = new Map<string, ParsedService>()
  const places = new Map<string, Written>()
  const schema = singleServiceSchema(judgement.policy)
  for (const [name, service] of Object.entries(written.values)) {
    const checked = check(schema, { [name]: service })
    if ('output' in checked) {
      services.set(name, checked.output.get(name) as ParsedService)
      places.set(name, writtenService(written.writers.get(name) as FileDocument, name, service))
    } else for (const { path, message } of checked.problems) report(path, message)
    if (slices.due()) await slices.pause()
  }
  acrossServices(services, judgement.namespace, report)
  const routes = joined.routes.check((...problem) => joined.tell(...problem))
  const authorization = await judgePolicies(joined, slices)
  return {
    services: problems.list.length === 0 ? services : undefined,
    routes,
    authorization: [...authorization.keys()],
    written: written.values,
    writtenRoutes: joined.routes.values,
    places: { services: places, routes: joined.routes.places, authorization },
  }
}

/** The policies of all documents, judged one by one and then together; each with where it stands. */
async function judgePolicies(joined: Joined, slices: Slices): Promise<ReadonlyMap<ParsedAuthorizationPolicy, Written>> {
  const { authorization } = joined
  const policies = new Map<number, ParsedAuthorizationPolicy>()
  const report = (index: number, path: readonly PropertyKey[], message: string): void => {
    const { writer, index: own } = authorization[index] as (typeof authorization)[number]
    joined.tell(writer, ['authorization', own, ...path], message)
  }
  for (const [index, { value }] of authorization.entries()) {
    const checked = check(authorizationPolicy, value)
    if ('output' in checked) policies.set(index, checked.output)
    else for (const { path, message } of checked.problems) report(index, path, message)
    if (slices.due()) await slices.pause()
  }
  acrossAuthorization(policies, ([index, ...path], message) => report(index as number, path, message))
  return new Map(
    Array.from(policies, ([index, policy]) => {
      const { writer, index: own } = authorization[index] as (typeof authorization)[number]
      return [policy, writtenPolicy(writer, own, policy)] as const
    }),
  )
}

/** `mesh.yaml:2:3`. */
function placeText({ file, line, column }: Place): string {
  return `${file}:${line}:${column}`
}
