import { headerIn } from './asked.ts'
import type { Subject } from './subject.ts'

/** What calls and answers carry besides, that nobody wrote into a rule. */
export function addedOnTheWay({ plan, policy, asked, from }: Subject): string[] {
  const { session, hashOn } = plan.policy.balancing
  const said: string[] = []
  if (asked.tells && policy.timeouts.timeoutMs !== undefined)
    for (const [name, what] of TOLD)
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

/** What the next hop is told of a call whose time somebody bounded. */
const TOLD = [
  ['x-envoy-expected-rq-timeout-ms', 'how long the try may still take'],
  ['x-envoy-attempt-count', 'which try it is'],
] as const
