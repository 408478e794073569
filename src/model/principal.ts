/** Who is at the other end of a connection, as its certificate proves. */
export interface Principal {
  /** `spiffe://trust-domain/path`; a certificate without a SPIFFE id has its subject's or DNS name here, and no trust domain. */
  readonly id: string
  /** Undefined: not a SPIFFE identity. */
  readonly trustDomain: string | undefined
  /** From a path of the form `/ns/<namespace>/sa/<account>`, as Istio writes it. */
  readonly namespace: string | undefined
  readonly serviceAccount: string | undefined
}

/** On whose behalf a request is made, as a token that was verified says. */
export interface RequestPrincipal {
  /** `issuer/subject`. */
  readonly id: string
  readonly issuer: string
  readonly subject: string
  /** Everything the token says. */
  readonly claims: Readonly<Record<string, unknown>>
}
