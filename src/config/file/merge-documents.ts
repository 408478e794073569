import type * as v from 'valibot'
import { isPlainObject, print } from '../schema/blocks.ts'
import { pathText, problemText } from '../schema/path.ts'
import { check } from '../schema/problems.ts'
import type { ParsedService } from '../schema/service.ts'
import { type FileProblem, type Position, wholeFile } from './problem.ts'
import type { FileDocument } from './yaml-documents.ts'

/** A place in a file. */
export interface Place extends Position {
  readonly file: string
}

/** The services of a document in the short form, each by its name. */
export type Services = ReadonlyMap<string, ParsedService>

/** What several documents are together. */
export interface Merged {
  /** Undefined where something is wrong. */
  readonly services: Services | undefined
  /** The same services as they were written. */
  readonly written: Readonly<Record<string, unknown>>
  /** Where each service stands. */
  readonly places: ReadonlyMap<string, Place>
  readonly problems: readonly FileProblem[]
}

/**
 * One configuration from many documents: they are joined service by service and then judged as one, since two files may claim
 * one host as well as two services of one file. Each problem goes back to the place where its part was written.
 */
export function mergeDocuments(
  documents: readonly FileDocument[],
  schema: v.GenericSchema<unknown, { readonly services: Services }>,
): Merged {
  const problems: FileProblem[] = []
  const tell = (document: FileDocument, path: readonly PropertyKey[], message: string): void => {
    problems.push({ kind: 'invalid', file: document.file, ...document.positionOf(path), message: problemText({ path, message }) })
  }
  const services = Object.create(null) as Record<string, unknown>
  const others = Object.create(null) as Record<string, unknown>
  const writers = new Map<string, FileDocument>()
  const otherWriters = new Map<PropertyKey, FileDocument>()
  for (const document of documents) {
    if (!isPlainObject(document.value)) {
      tell(document, [], `expected an object with services, got ${print(document.value)}`)
      continue
    }
    for (const [key, value] of Object.entries(document.value)) {
      if (key === 'services' && isPlainObject(value)) {
        for (const [name, service] of Object.entries(value)) {
          const first = writers.get(name)
          if (first === undefined) {
            services[name] = service
            writers.set(name, document)
          } else
            tell(document, ['services', name], `this service is there twice, first at ${placeText(placeOf(first, ['services', name]))}`)
        }
      } else if (key === 'services') tell(document, ['services'], `expected an object, got ${print(value)}`)
      else if (!otherWriters.has(key)) {
        others[key] = value
        otherWriters.set(key, document)
      } else tell(document, [key], `is there twice, first at ${placeText(placeOf(otherWriters.get(key) as FileDocument, [key]))}`)
    }
  }
  const places = new Map([...writers].map(([name, writer]) => [name, placeOf(writer, ['services', name])]))
  const checked = check(schema, { ...others, services })
  if ('problems' in checked) {
    for (const { path, message } of checked.problems) {
      const writer = path[0] === 'services' ? writers.get(String(path[1])) : otherWriters.get(path[0] as PropertyKey)
      if (writer?.unread.has(pathText(path)) === true) continue
      if (writer !== undefined) tell(writer, path, message)
      else problems.push(wholeFile('invalid', documents[0]?.file ?? '', problemText({ path, message })))
    }
    return { services: undefined, written: services, places, problems }
  }
  return { services: problems.length === 0 ? checked.output.services : undefined, written: services, places, problems }
}

function placeOf(document: FileDocument, path: readonly PropertyKey[]): Place {
  return { file: document.file, ...document.positionOf(path) }
}

/** `mesh.yaml:2:3`. */
export function placeText({ file, line, column }: Place): string {
  return `${file}:${line}:${column}`
}
