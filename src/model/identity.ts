import type { Duration } from '../core/duration.ts'
import type { Secret } from '../core/secret.ts'

/** PEM text or DER bytes, or a list of them. */
export type Pem = string | Uint8Array | readonly (string | Uint8Array)[]

/** Who we are: a certificate with its key, as they are or in files that are watched. The two go together. */
export interface IdentityOptions {
  /** Certificate and the intermediate ones after it, PEM. */
  cert?: Pem
  /** Private key of `cert`, PEM. */
  key?: string | Uint8Array
  /** Files with the same, read again when they change; the old pair stays until both fit. */
  certFile?: string
  keyFile?: string
  /** Authorities of our own trust domain, where `trust` does not name it. */
  ca?: Pem
  caFile?: string
  /** How often the files are looked at, besides at every change that the platform tells of. Default 10s. */
  poll?: Duration
}

/** Whom we believe in one trust domain. */
export interface TrustDomainOptions {
  /** Certificates of its authorities, PEM or DER. While a new one replaces an old one both are in it. */
  ca?: Pem
  /** A file with the same, read again when it changes. */
  caFile?: string
  /** What the authorities took back, PEM or DER. With one, every issuer of a certificate needs a valid one. */
  crl?: Pem
  crlFile?: string
}

/** Bundles by trust domain: `{ 'example.org': { caFile: '/run/spire/bundle.pem' } }`. */
export interface TrustOptions {
  [trustDomain: string]: TrustDomainOptions
}

/**
 * What a TLS server of this mesh asks of its clients. `simple`: nothing; `permissive`: a certificate that is shown must be right, and
 * `mesh.server` takes clear text on the same port; `strict`: TLS with a right certificate, nothing else.
 */
export type InboundTlsMode = 'off' | 'simple' | 'permissive' | 'strict'

/** How requests come in under TLS. */
export interface InboundTlsOptions {
  /** Default: `strict` when somebody is trusted, else `simple`. */
  mode?: InboundTlsMode
  /** Authorities of clients whose certificates carry no SPIFFE id. Default: none, such certificates are refused. */
  ca?: Pem
  /** Names that a client's certificate must match one of: exact, `prefix*`, `*suffix`, `*`. Default: any that is verified. */
  sans?: string[]
  /** Default TLSv1.2. */
  minVersion?: 'TLSv1.2' | 'TLSv1.3'
  /** Connections older than this are closed after the request they carry; so are those whose certificate ends. Default 1h. */
  maxConnectionAge?: Duration
  /** How long a handshake may take. Default 10s. */
  handshakeTimeout?: Duration
}

/** What is compared with the names of a certificate. */
export interface SanMatch {
  readonly type: 'exact' | 'prefix' | 'suffix' | 'presence'
  readonly value: string
}

/** Either the thing itself or the file that holds it. */
export interface Held<T> {
  readonly value: T | undefined
  readonly file: string | undefined
}

/** {@link IdentityOptions}, checked. */
export interface IdentitySettings {
  readonly cert: Held<readonly string[]>
  readonly key: Held<Secret>
  readonly ca: Held<readonly string[]> | undefined
  readonly pollMs: number
}

/** {@link TrustDomainOptions}, checked. */
export interface TrustSettings {
  readonly ca: Held<readonly string[]>
  /** DER. */
  readonly crl: Held<readonly Uint8Array[]> | undefined
}

/** {@link InboundTlsOptions}, checked. */
export interface InboundTlsSettings {
  readonly mode: InboundTlsMode | undefined
  readonly ca: readonly string[] | undefined
  readonly sans: readonly SanMatch[] | undefined
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3'
  readonly maxConnectionAgeMs: number
  readonly handshakeTimeoutMs: number
}

/** What `mesh.stats()` and `mesh.snapshot()` show of our identity; never a key. Times are milliseconds since the epoch. */
export interface IdentityStats {
  /** The SPIFFE id, or the first name of a certificate that carries none; undefined while there is no certificate. */
  id: string | undefined
  notBefore: number | undefined
  notAfter: number | undefined
  /** Grows with every certificate, and with every change of whom we believe. */
  generation: number
  /** Authorities believed, by trust domain; 0: its file could not be read yet. */
  trust: Record<string, number>
}
