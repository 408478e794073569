import { readBinaryReport } from './load-report-binary.ts'

/** What an endpoint says of its load: fields of ORCA's report by their names, `named_metrics.queue` and `utilization.disk` among them. */
export type LoadReport = ReadonlyMap<string, number>

/**
 * Reads the load report of an answer: `endpoint-load-metrics` with `TEXT`, `JSON` or `BIN` before it, or `endpoint-load-metrics-bin`
 * (xds.data.orca.v3). Undefined without one, and for one that is not in order: a number that is none, infinite or negative, a name
 * that is unknown or there twice. Half a report would be a wrong weight.
 */
export function parseLoadReport(header: string | undefined, binary: string | undefined): LoadReport | undefined {
  const report = new Map<string, number>()
  const add = (name: string, value: number): boolean => {
    if (!isField(name) || report.has(name) || !Number.isFinite(value) || value < 0) return false
    report.set(name, value)
    return true
  }
  const right =
    binary !== undefined
      ? readBinaryReport(Buffer.from(binary, 'base64'), add)
      : header === undefined
        ? false
        : header.startsWith('TEXT ')
          ? readText(header.slice(5), add)
          : header.startsWith('JSON ')
            ? readJson(header.slice(5), add)
            : header.startsWith('BIN ') && readBinaryReport(Buffer.from(header.slice(4).trim(), 'base64'), add)
  return right ? report : undefined
}

/** Takes one field of a report; false when the report is not in order. */
export type AddField = (name: string, value: number) => boolean

/** `cpu_utilization=0.3, named_metrics.queue=12`; a colon does as well. */
function readText(text: string, add: AddField): boolean {
  return text.split(',').every((pair) => {
    const at = pair.search(/[=:]/)
    const written = pair.slice(at + 1).trim()
    return at > 0 && DECIMAL.test(written) && add(pair.slice(0, at).trim(), Number(written))
  })
}

/** Protobuf's JSON: names in either spelling, numbers also as text. */
function readJson(text: string, add: AddField): boolean {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    return false
  }
  if (!isMap(parsed)) return false
  // Of a name that is there twice the parser keeps the last and says nothing.
  const named = Object.values(parsed).reduce<number>(
    (sum, each) => sum + (isMap(each) ? Object.keys(each).length : 0),
    Object.keys(parsed).length,
  )
  if ((text.match(NAMES)?.length ?? 0) !== named) return false
  return Object.entries(parsed).every(([key, value]: [string, unknown]) => {
    const name = key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
    if (IGNORED.has(name)) return true
    if (name !== 'named_metrics' && name !== 'utilization') return add(name, numberOf(value))
    if (!isMap(value)) return false
    return Object.entries(value).every(([metric, each]) => add(`${name}.${metric}`, numberOf(each)))
  })
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function numberOf(value: unknown): number {
  if (typeof value === 'string') return DECIMAL.test(value) ? Number(value) : Number.NaN
  return typeof value === 'number' ? value : Number.NaN
}

function isField(name: string): boolean {
  return FIELDS.has(name) || /^(?:named_metrics|utilization)\../.test(name)
}

const FIELDS: ReadonlySet<string> = new Set(['cpu_utilization', 'mem_utilization', 'application_utilization', 'rps_fractional', 'eps'])
/** Fields that say nothing of utilization; `rps` gave way to `rps_fractional`. */
const IGNORED: ReadonlySet<string> = new Set(['rps', 'request_cost'])
/** Every name of an object in JSON text. */
const NAMES = /"(?:[^"\\]|\\.)*"\s*:/g
const DECIMAL = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i
