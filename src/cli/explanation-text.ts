import { formatDuration } from '../core/duration.ts'
import type { ExplainRequest, Explanation } from '../model/explanation.ts'
import type { Output } from './terminal.ts'

/** Longest list of endpoints that is printed; `--json` has them all. */
const MOST_ENDPOINTS = 20

/** An explanation for people: one heading per part, and who says so at the end. */
export function writeExplanation(explanation: Explanation, { method = 'GET', url }: ExplainRequest, out: Output): void {
  const { route, candidates, subset, from } = explanation
  const line = (heading: string, ...texts: string[]): void => {
    for (const [index, text] of texts.entries()) out.write(`  ${out.paint('cyan', (index === 0 ? heading : '').padEnd(10))} ${text}\n`)
  }
  out.write(`${out.paint('bold', `${method.toUpperCase()} ${String(url)}`)}\n`)
  line('route', routeText(route))
  if (explanation.answer !== undefined) {
    const { status, headers, bodyBytes } = explanation.answer
    line('answer', `${status}, ${bodyBytes} bytes`, ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`))
  }
  if (route.decision === 'service') {
    line('backends', ...explanation.backends.map(({ service, share }) => `${service}, ${Math.round(share * 1_000) / 10} %`))
    const more = candidates.length - MOST_ENDPOINTS
    line(
      'endpoints',
      ...candidates.slice(0, MOST_ENDPOINTS).map(({ address, state, because }) => `${address}, ${state}: ${because}`),
      ...(more > 0 ? [`and ${more} more`] : []),
      ...(candidates.length === 0 ? ['none'] : []),
      ...(subset === undefined ? [] : [`${candidates.length} of ${subset.of}: ${subset.because}`]),
    )
    line('gates', ...explanation.gates.map((gate) => `${gate.name}, ${gate.state}`))
    line('timeouts', ...timeoutTexts(explanation.timeouts))
    line('retry', ...retryTexts(explanation.retry))
    line('rewrites', ...explanation.rewrites)
    for (const other of explanation.alternatives ?? [])
      line(
        'or',
        `${other.service}: ${other.candidates.length === 0 ? 'no endpoints' : other.candidates.map(({ address, state }) => `${address}, ${state}`).join('; ')}`,
        ...timeoutTexts(other.timeouts),
      )
  }
  line('tls', explanation.tls)
  line('protocol', explanation.protocol)
  line('from', ...Object.entries(from).map(([part, source]) => `${part}: ${out.paint('dim', source)}`))
}

function routeText({ host, service, match, decision, route, rule }: Explanation['route']): string {
  const by = rule === undefined ? '' : `, by the rule ${rule} of the route ${route}`
  if (decision === 'answer') return `${host} is answered by the mesh itself${by}`
  if (decision === 'service' && by !== '') return `${host} is service ${service}${by}`
  if (route !== undefined) return `${host}: ${match}`
  if (decision === 'service') return `${host} is service ${service}, under the name ${match}`
  return `${host}: ${match}; ${decision === 'pass' ? 'it passes to the platform, as without a mesh' : 'it is refused'}`
}

function timeoutTexts(timeouts: Explanation['timeouts']): string[] {
  if (timeouts === undefined) return []
  const { timeoutMs, headTimeoutMs, connectTimeoutMs, idleTimeoutMs } = timeouts
  return [
    timeoutMs === undefined
      ? `${formatDuration(headTimeoutMs)} to the head of the answer`
      : `${formatDuration(timeoutMs)} to the last byte`,
    `${formatDuration(connectTimeoutMs)} to connect, ${formatDuration(idleTimeoutMs)} between two pieces of a body`,
  ]
}

function retryTexts(retry: Explanation['retry']): string[] {
  if (retry === undefined) return []
  if (!retry.applies) return [retry.because]
  return [
    `at most ${retry.attempts} re-sends, on ${retry.on.join(', ')}`,
    retry.because,
    `${formatDuration(retry.backoffBaseMs)} to ${formatDuration(retry.backoffMaxMs)} apart, within ${retry.budgetPercent} % + ${retry.budgetMinPerSecond}/s of all calls`,
  ]
}
