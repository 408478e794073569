import { PRIORITY_HEADER } from '../../model/request-context.ts'
import { headerIn } from './asked.ts'
import type { Subject } from './subject.ts'

/** What calls and answers carry besides, that nobody wrote into a rule. */
export function addedOnTheWay(subject: Subject): string[] {
  const { plan, asked, from } = subject
  const { session, hashOn } = plan.policy.balancing
  const said: string[] = []
  for (const [name, what] of toldOf(subject))
    if (headerIn(asked.headers, name) === undefined) said.push(`the request header ${name} is added: ${what} (options/context)`)
  if (session !== false) {
    const { cookie, header, strict } = session
    const where = header === undefined ? `cookie ${cookie?.name}` : `header ${header}`
    said.push(`the answer carries the session in the ${where}${strict ? ', and the session is strict' : ''} (${from('balancing')})`)
  }
  for (const { cookie } of hashOn ?? [])
    if (cookie?.ttlMs !== undefined)
      said.push(`the answer gets the cookie ${cookie.name} where the request has none (${from('balancing')})`)
  return said
}

/** What the next hop is told: of a call whose time somebody bounded, that matters more or less than others, or that is made beneath a request. */
function toldOf({ policy, call, asked: { tells, settings } }: Subject): (readonly [header: string, what: string])[] {
  const { within } = settings
  const { priority } = call
  if (!tells || (within === undefined && policy.timeouts.timeoutMs === undefined && priority === 'normal')) return []
  const told: (readonly [string, string])[] = [
    ['x-envoy-expected-rq-timeout-ms', 'how long the try may still take'],
    ['x-envoy-attempt-count', 'which try it is'],
  ]
  if (priority !== 'normal') told.push([PRIORITY_HEADER, priority])
  if (within === undefined) return told
  if (within.settings.trace) told.push(['traceparent', 'the trace of the request that it is made beneath'])
  for (let at = 0; at < within.handed.length; at += 2) told.push([within.handed[at] as string, 'as it came in'])
  return told
}
