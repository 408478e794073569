/** How groups of targets become services. */
export interface HttpSdOptions {
  /** Every target is of this service, or of the one that this label names. */
  readonly service: { readonly name: string } | { readonly label: string }
  /** For targets that name no port. */
  readonly port: number | undefined
}

/**
 * Prometheus' `http_sd` document (`[{ targets: ['10.0.0.1:80'], labels: { … } }]`) as services in the short form; labels become the
 * metadata of endpoints. A target that is there twice counts once.
 * @throws Error that says what of the shape is wrong
 */
export function fromHttpSd(json: unknown, { service, port }: HttpSdOptions): Record<string, unknown> {
  if (!Array.isArray(json)) throw new Error('expected a list of { targets, labels }')
  const services = new Map<string, Map<string, object>>()
  for (const [index, group] of (json as unknown[]).entries()) {
    const { targets, labels = {} } = (group ?? {}) as { targets?: unknown; labels?: unknown }
    if (!Array.isArray(targets) || typeof labels !== 'object' || labels === null)
      throw new Error(`[${index}]: expected { targets: [host:port …], labels: { … } }`)
    const name = 'name' in service ? service.name : (labels as Record<string, unknown>)[service.label]
    if (typeof name !== 'string' || name === '')
      throw new Error(`[${index}]: no label ${'label' in service ? service.label : ''} that names the service`)
    const endpoints = services.get(name) ?? new Map<string, object>()
    services.set(name, endpoints)
    for (const target of targets as unknown[]) {
      const address = typeof target === 'string' && port !== undefined && !/:\d+$/.test(target) ? `${target}:${port}` : target
      endpoints.set(String(address), { address, metadata: labels })
    }
  }
  const entries = Array.from(services, ([name, endpoints]) => [name, { endpoints: [...endpoints.values()] }] as const)
  // Names come from outside: `__proto__` must be one like any other.
  return Object.assign(Object.create(null) as Record<string, unknown>, Object.fromEntries(entries))
}
