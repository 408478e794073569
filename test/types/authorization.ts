// Who may call: the policies that are written, and the engine alone.
import { type AuthorizationDecision, createMesh, type InboundCall, type Permit, type Refusal } from 'inmesh'
import { type AuthorizationPolicyOptions, Authorizer } from 'inmesh/security'
import { holds, type Same } from './expect.ts'

const policies: AuthorizationPolicyOptions[] = [
  {
    name: 'istio',
    action: 'ALLOW',
    rules: [{ from: [{ source: { principals: ['td/ns/shop/sa/web'] } }], when: [{ key: 'source.ip', values: ['10.0.0.1'] }] }],
  },
  { name: 'tree', action: 'deny', permissions: [{ not: { path: { template: '/a/{*}' } } }], principals: [{ authenticated: {} }] },
  // @ts-expect-error no such action
  { name: 'audit', action: 'audit' },
  // @ts-expect-error no such field
  { name: 'field', rules: [{ from: [{ source: { principal: ['x'] } }] }] },
  // @ts-expect-error a name is needed
  { rules: [{}] },
]

const mesh = createMesh({ inbound: { authorization: policies } })
const answer = mesh.authorize({
  principal: 'td/ns/shop/sa/web',
  method: 'GET',
  host: 'web',
  path: '/',
  headers: { a: ['b'] },
  source: '10.0.0.1',
  port: 80,
})
holds<Same<typeof answer.action, 'allow' | 'deny'>>()
holds<Same<typeof answer.dryRun, AuthorizationDecision | undefined>>()
// @ts-expect-error no such question
mesh.authorize({ verb: 'GET' })

export const engine = new Authorizer(policies, { namespace: 'shop', failed: (error) => void error })
export function ask(call: InboundCall): Permit | Refusal {
  return engine.admit({ ...call, loosePathname: call.pathname.toLowerCase() })
}
