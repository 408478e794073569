/** What the setups bind, for the blocks that are compiled with them. */
declare global {
  /** Every setup: the ports of an orders service on 127.0.0.1. */
  var ordersPorts: number[]
  /** The first of them. */
  var ordersPort: number
  /** The same as `host:port`. */
  var ordersEndpoints: string[]
  /** `secure`: the certificate of the authority that signed the service's, PEM. */
  var ordersCa: string
  /** `identities`: the certificate of the authority of example.org, PEM. */
  var exampleOrgCa: string
  /** Certificate and key of spiffe://example.org/ns/shop/sa/web, PEM. */
  var webIdentity: { cert: string; key: string }
  /** A directory with `cert.pem` and `key.pem` of spiffe://example.org/ns/shop/sa/orders, and `ca.pem`. */
  var ordersFiles: string
  /** `names`: a DNS server that knows `orders.internal.example.com`, as `host:port`. */
  var dnsServer: string
  /** `issuer`: where the key set of `https://login.example.com` is. */
  var issuerUrl: string
  /** `issuer`: a token of it that holds for ten minutes. */
  var tokenOf: (subject: string, claims?: Record<string, unknown>) => string
  /** `registry`: where `/services`, `/targets` and `/nodes` are. */
  var registryUrl: string
}

export {}
