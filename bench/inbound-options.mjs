const deny = (name, rule) => ({ name, action: 'deny', rules: [rule] })
const to = (operation) => ({ to: [{ operation }] })
const from = (source) => ({ from: [{ source }] })

/** What a guarded service asks of every request: ten policies, one rate limit, shedding. Everything that the bench sends is let in. */
export const inbound = {
  authorization: [
    deny('no-admin', to({ paths: ['/admin', '/admin/*'] })),
    deny('no-metrics', to({ paths: ['/metrics'] })),
    deny('no-drafts', to({ paths: ['*/draft'] })),
    deny('no-trace', to({ methods: ['TRACE'] })),
    deny('no-batch', from({ principals: ['example.org/ns/batch/*'] })),
    deny('no-guests', from({ namespaces: ['guests'] })),
    deny('no-lab', from({ ipBlocks: ['192.0.2.0/24'] })),
    deny('no-old-host', to({ hosts: ['old.example.org'] })),
    {
      name: 'web',
      rules: [{ ...from({ principals: ['example.org/ns/shop/sa/web'] }), ...to({ methods: ['GET'], paths: ['/orders/*'] }) }],
    },
    { name: 'readers', rules: [to({ methods: ['GET'], paths: ['/orders/*', '/items/*'] })] },
  ],
  rateLimits: [{ name: 'each-caller', requests: 1_000_000_000, by: ['principal', 'address'] }],
  shedding: true,
}
