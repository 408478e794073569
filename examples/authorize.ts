// Who may call: policies in the words of Istio, asked without a request, tried in dry run, and changed while the mesh runs.
import { createMesh, staticSource } from 'inmesh'

const policies = staticSource(
  {
    authorization: [
      { name: 'shop', rules: [{ from: [{ source: { namespaces: ['shop'] } }], to: [{ operation: { paths: ['/v1/*'] } }] }] },
      { name: 'no-deletes', action: 'DENY', rules: [{ to: [{ operation: { methods: ['DELETE'] } }] }] },
      // Decides nothing yet: what would happen if tokens were needed?
      { name: 'token', action: 'deny', dryRun: true, rules: [{ from: [{ source: { notRequestPrincipals: ['*'] } }] }] },
    ],
  },
  { name: 'policies' },
)
const mesh = createMesh({ service: 'orders', sources: [policies] })
await mesh.ready()

const web = { principal: 'spiffe://cluster.local/ns/shop/sa/web', path: '/v1/orders/42' }
const asked = {
  'the shop reads': mesh.authorize(web),
  'the shop deletes': mesh.authorize({ ...web, method: 'DELETE' }),
  'another path, written oddly': mesh.authorize({ ...web, path: '/v1/../v2' }),
  'a stranger reads': mesh.authorize({ path: '/v1/orders/42' }),
}
for (const [what, { action, from, dryRun }] of Object.entries(asked))
  console.log(`${what}: ${action} by ${from} (dry run: ${dryRun?.action})`)

// A push with a mistake changes nothing; the next one holds at once.
const [rejection] = policies.update({ authorization: [{ name: 'shop', rules: [{ from: [] }] }] })
console.log('refused:', rejection?.problems[0])
policies.update({ authorization: [{ name: 'closed' }] })
console.log('closed:', mesh.authorize(web).action)

await mesh.close()
const actions = Object.values(asked).map(({ action }) => action)
process.exitCode = actions.join() === 'allow,deny,deny,deny' && rejection !== undefined ? 0 : 1
