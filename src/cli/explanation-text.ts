import { formatDuration } from '../core/duration.ts'
import type { ExplainRequest, Explanation } from '../model/explanation.ts'
import type { LevelShare } from '../model/locality.ts'
import type { Output } from './terminal.ts'

/** Longest list of endpoints that is printed; `--json` has them all. */
const MOST_ENDPOINTS = 20

/** An explanation for people: one heading per part, and who says so at the end. */
export function writeExplanation(explanation: Explanation, { method = 'GET', url }: ExplainRequest, out: Output): void {
  const { route, from, places } = explanation
  const named = (source: string): string => (places?.[source] === undefined ? source : `${source} at ${places[source]}`)
  const line = (heading: string, ...texts: string[]): void => {
    for (const [index, text] of texts.entries()) out.write(`  ${out.paint('cyan', (index === 0 ? heading : '').padEnd(10))} ${text}\n`)
  }
  out.write(`${out.paint('bold', `${method.toUpperCase()} ${String(url)}`)}\n`)
  line('route', routeText(route), ...(route.others ?? []).map(({ rule, share }) => `${percent(share)} get ${rule ?? 'no rule'} instead`))
  if (explanation.answer !== undefined) {
    const { status, headers, bodyBytes } = explanation.answer
    line('answer', `${status}, ${bodyBytes} bytes`, ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`))
  }
  if (route.decision === 'service') {
    line('backends', ...explanation.backends.map((backend) => `${backendText(backend)}, ${percent(backend.share)}`))
    if (explanation.selection !== undefined) line('selection', `${explanation.selection.because} (${named(explanation.selection.from)})`)
    line('endpoints', ...endpointTexts(explanation))
    line('priorities', ...(explanation.priorities ?? []).map(levelText))
    line('gates', ...explanation.gates.map(gateText))
    line('guards', ...explanation.safeguards.map(gateText))
    line('timeouts', ...timeoutTexts(explanation.timeouts, named))
    line('retry', ...retryTexts(explanation.retry))
    if (explanation.hedge !== undefined) line('hedge', explanation.hedge.because)
    line('rewrites', ...explanation.rewrites)
    for (const other of explanation.alternatives ?? [])
      line(
        'or',
        `${other.service}: ${other.candidates.length === 0 ? 'no endpoints' : other.candidates.map(({ address, state }) => `${address}, ${state}`).join('; ')}`,
        ...timeoutTexts(other.timeouts, named),
      )
    line('sends', ...dialTexts(explanation.dial))
  }
  if (explanation.error !== undefined) line('ends', `with ${explanation.error}`)
  line('tls', explanation.tls)
  line('protocol', explanation.protocol)
  line('from', ...Object.entries(from).map(([part, source]) => `${part}: ${out.paint('dim', named(source))}`))
}

/** `orders`, `orders (v2)`, `orders (version v2)`. */
function backendText({ service, subset, metadata }: Explanation['backends'][number]): string {
  const named =
    subset ??
    (metadata &&
      Object.entries(metadata)
        .map(([key, value]) => `${key} ${value}`)
        .join(' and '))
  return named === undefined ? service : `${service} (${named})`
}

function endpointTexts({ candidates, subset, changing }: Explanation): string[] {
  const more = candidates.length - MOST_ENDPOINTS
  return [
    ...candidates.slice(0, MOST_ENDPOINTS).map(({ address, state, share, because }) => {
      return `${address}, ${state}${share === undefined ? '' : `, ${percent(share)}`}: ${because}`
    }),
    ...(more > 0 ? [`and ${more} more`] : []),
    ...(candidates.length === 0 ? ['none'] : []),
    ...(changing === undefined ? [] : [changing]),
    ...(subset === undefined ? [] : [`${candidates.length} of ${subset.of}: ${subset.because}`]),
  ]
}

function gateText({ name, state, because, admits }: Explanation['gates'][number]): string {
  return `${name}, ${state}: ${because}${admits === false ? '; such a call is refused now' : ''}`
}

function dialTexts(dial: Explanation['dial']): string[] {
  if (dial === undefined) return []
  const { method, path, authority, protocol, serverName } = dial
  const tls = serverName === undefined ? [] : [`under TLS, which asks for ${serverName}`]
  return [`${method} ${path}, with Host ${authority}, over ${protocol}`, ...tls]
}

function percent(share: number): string {
  return `${Math.round(share * 1_000) / 10} %`
}

function routeText({ host, service, match, decision, route, rule, share }: Explanation['route']): string {
  const chance = share === undefined ? '' : `, which gets ${percent(share)} of such calls`
  const by = rule === undefined ? '' : `, by the rule ${rule} of the route ${route}${chance}`
  if (decision === 'answer') return `${host} is answered by the mesh itself${by}`
  if (decision === 'service' && by !== '') return `${host} is service ${service}${by}`
  if (route !== undefined) return `${host}: ${match}`
  if (decision === 'service') return `${host} is service ${service}, under the name ${match}`
  return `${host}: ${match}; ${decision === 'pass' ? 'it passes to the platform, as without a mesh' : 'it is refused'}`
}

function levelText({ priority, nearness, sharePercent, because, where }: LevelShare): string {
  const level = `${priority}${nearness === undefined ? '' : ` (${nearness})`}: ${sharePercent} %`
  return [`${level}, ${because}`, ...(where === undefined ? [] : [where])].join('; ')
}

function timeoutTexts(timeouts: Explanation['timeouts'], named: (from: string) => string): string[] {
  if (timeouts === undefined) return []
  const { timeoutMs, headTimeoutMs, connectTimeoutMs, idleTimeoutMs, perTryTimeoutMs, from } = timeouts
  const whole =
    timeoutMs === undefined ? `${formatDuration(headTimeoutMs)} to the head of the answer` : `${formatDuration(timeoutMs)} to the last byte`
  return [
    `${whole} (${named(timeoutMs === undefined ? from.headTimeoutMs : from.timeoutMs)})`,
    `${formatDuration(perTryTimeoutMs)} for the first try (${named(from.perTryTimeoutMs)})`,
    `${formatDuration(connectTimeoutMs)} to connect (${named(from.connectTimeoutMs)})`,
    `${formatDuration(idleTimeoutMs)} between two pieces of a body (${named(from.idleTimeoutMs)})`,
  ]
}

function retryTexts(retry: Explanation['retry']): string[] {
  if (retry === undefined) return []
  if (!retry.applies) return [retry.because]
  return [
    `at most ${retry.attempts} re-sends, on ${retry.on.join(', ')}`,
    retry.because,
    ...retry.cases.map(({ after, because }) => `after ${after}: ${because}`),
    `${formatDuration(retry.backoffBaseMs)} to ${formatDuration(retry.backoffMaxMs)} apart, within ${retry.budgetPercent} % + ${retry.budgetMinPerSecond}/s of all calls`,
  ]
}
