import type { Clock } from '../../core/clock.ts'
import { SecretValue } from '../../core/secret.ts'
import { WatchedPaths } from '../../core/watch/watched-paths.ts'
import type { MeshEvents } from '../../model/events.ts'
import type { IdentitySettings, IdentityStats, TrustSettings } from '../../model/identity.ts'
import { readCertificates, readRevocationLists } from '../x509/pem.ts'
import { ExpiryWatch } from './expiry-watch.ts'
import { type Identity, makeIdentity } from './identity.ts'
import { LivingFiles } from './living-files.ts'
import { losesTrust, makeTrustBundle, type TrustBundle } from './trust-bundle.ts'

/** What the store works with. */
export interface IdentityStoreOptions {
  readonly identity: IdentitySettings | undefined
  readonly trust: ReadonlyMap<string, TrustSettings>
  readonly clock: Clock
  emit<Name extends keyof MeshEvents>(name: Name, payload: MeshEvents[Name]): void
}

/**
 * Who we are and whom we believe, now. Both may come from files that change; whoever builds something on them asks for `generation`,
 * or is told. Nothing is opened before `start`.
 */
export class IdentityStore {
  /** Undefined: there is none, or its files do not make one yet. */
  current: Identity | undefined = undefined
  /** Grows with every identity and every change of whom we believe. */
  generation = 0
  /** Whether an identity was configured at all. */
  readonly configured: boolean
  private readonly options: IdentityStoreOptions
  private readonly bundles = new Map<string, TrustBundle | undefined>()
  /** Of our own trust domain, from beside the identity. */
  private own: TrustBundle | undefined = undefined
  private readonly files: { readonly living: LivingFiles<unknown>; readonly take: () => void }[] = []
  private readonly paths: string[] = []
  /** Why what is missing is missing, in words; by what it is called in events. */
  private readonly why = new Map<string, string>()
  private readonly expiry: ExpiryWatch
  private readonly listeners = new Set<(lessTrust: boolean) => void>()
  /** Somebody was believed before this look who is not now. */
  private lostTrust = false
  private watched: WatchedPaths | undefined = undefined
  private started = false
  /** What the first look finds is no change. */
  private looked = false
  private closed = false

  constructor(options: IdentityStoreOptions) {
    const { identity, trust, clock, emit } = options
    this.options = options
    this.configured = identity !== undefined
    this.expiry = new ExpiryWatch(clock, ({ id, leaf: { notAfter } }, percent) =>
      emit('identityExpiring', { id, percent, notAfter, leftMs: Math.max(0, notAfter - clock.wallTime()) }),
    )
    if (identity !== undefined) this.prepareIdentity(identity)
    for (const [domain, settings] of trust) {
      this.bundles.set(domain, undefined)
      this.prepareTrust(domain, settings, (bundle) => {
        this.lostTrust ||= losesTrust(this.bundles.get(domain), bundle)
        this.bundles.set(domain, bundle)
      })
    }
  }

  /** Begins to read files, and to tell of what changes; what is there is in force when it returns. */
  start(): void {
    if (this.started || this.closed) return
    this.started = true
    if (this.current !== undefined) this.expiry.follow(this.current)
    const { identity, clock } = this.options
    if (this.paths.length > 0)
      this.watched = new WatchedPaths({ paths: this.paths, clock, pollMs: identity?.pollMs ?? POLL_MS, look: () => this.look() })
    this.looked = true
  }

  close(): void {
    this.closed = true
    this.watched?.close()
    this.expiry.close()
    this.listeners.clear()
  }

  /**
   * Calls `listener` after each change, until the returned function is called; `lessTrust` when somebody who was believed may be believed
   * no more.
   */
  onChange(listener: (lessTrust: boolean) => void): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  /** Whom we believe in `trustDomain`; undefined: nobody. */
  bundle(trustDomain: string): TrustBundle | undefined {
    if (this.bundles.has(trustDomain)) return this.bundles.get(trustDomain)
    return this.current?.spiffe?.trustDomain === trustDomain ? this.own : undefined
  }

  /** Every trust domain that somebody is believed in, and whom. */
  trusted(): [trustDomain: string, bundle: TrustBundle][] {
    const own = this.current?.spiffe?.trustDomain
    const domains = new Set([...this.bundles.keys(), ...(own === undefined ? [] : [own])])
    return [...domains].flatMap((domain) => {
      const bundle = this.bundle(domain)
      return bundle === undefined ? [] : [[domain, bundle] as [string, TrustBundle]]
    })
  }

  /** Whether anybody is, or will be, believed. */
  get trusts(): boolean {
    return this.bundles.size > 0 || this.options.identity?.ca !== undefined
  }

  /** What is not there yet, for whoever waits for it. */
  get missing(): string[] {
    const trust = [...this.bundles].filter(([, bundle]) => bundle === undefined).map(([domain]) => `trust.${domain}`)
    const names = this.configured && this.current === undefined ? ['identity', ...trust] : trust
    return names.map((name) => (this.why.has(name) ? `${name} (${this.why.get(name)})` : name))
  }

  /** Why there is no identity yet, as far as that is known. */
  get whyNone(): string | undefined {
    return this.why.get('identity')
  }

  stats(): IdentityStats {
    const { current, generation } = this
    const trust: Record<string, number> = {}
    for (const domain of this.bundles.keys()) trust[domain] = 0
    for (const [domain, { authorities }] of this.trusted()) trust[domain] = authorities.length
    return { id: current?.id, notBefore: current?.leaf.notBefore, notAfter: current?.leaf.notAfter, generation, trust }
  }

  private prepareIdentity({ cert, key, ca }: IdentitySettings): void {
    const { emit } = this.options
    const takeOwn = (bundle: TrustBundle): void => {
      this.lostTrust ||= losesTrust(this.own, bundle)
      this.own = bundle
    }
    if (ca !== undefined) this.prepareTrust('', { ca, crl: undefined }, takeOwn)
    const make = (contents: readonly Buffer[]): Identity => {
      const rest = [...contents]
      const certificates = cert.value ?? readCertificates(rest.shift() as Buffer)
      const made = makeIdentity(certificates, key.value ?? new SecretValue(rest.shift() as Buffer))
      this.refuseWorse(made)
      return made
    }
    this.prepare('identity', [cert.file, key.file], make, (made) => {
      this.current = made
      this.generation++
      if (!this.started) return
      this.expiry.follow(made)
      if (this.looked) emit('identityRotated', { id: made.id, notAfter: made.leaf.notAfter, generation: this.generation })
    })
  }

  /** A certificate that is out of its time does not replace one that is in it. */
  private refuseWorse({ leaf }: Identity): void {
    const at = this.options.clock.wallTime()
    const former = this.current?.leaf
    if (former === undefined || at > former.notAfter) return
    if (at > leaf.notAfter) throw new Error('the new certificate has expired')
    if (at < leaf.notBefore) throw new Error('the new certificate is not valid yet')
  }

  private prepareTrust(domain: string, { ca, crl }: TrustSettings, take: (bundle: TrustBundle) => void): void {
    const { emit } = this.options
    const what = domain === '' ? 'identity.ca' : `trust.${domain}`
    const make = (contents: readonly Buffer[]): TrustBundle => {
      const rest = [...contents]
      const authorities = ca.value ?? readCertificates(rest.shift() as Buffer)
      return makeTrustBundle(authorities, crl === undefined ? [] : (crl.value ?? readRevocationLists(rest.shift() as Buffer)))
    }
    this.prepare(what, [ca.file, crl?.file], make, (bundle) => {
      take(bundle)
      this.generation++
      if (this.looked) emit('trustChanged', { what, authorities: bundle.authorities.length, generation: this.generation })
    })
  }

  private prepare<T>(
    what: string,
    written: readonly (string | undefined)[],
    make: (contents: readonly Buffer[]) => T,
    take: (value: T) => void,
  ): void {
    const paths = written.filter((path) => path !== undefined)
    if (paths.length === 0) {
      take(make([]))
      return
    }
    const rejected = (reason: string): void => {
      this.why.set(what, reason)
      this.options.emit('identityRejected', { what, reason })
    }
    const living = new LivingFiles<T>({ paths, make, rejected })
    this.paths.push(...paths)
    const taken = (): void => {
      this.why.delete(what)
      take(living.value as T)
    }
    this.files.push({ living, take: taken })
  }

  /** Looks at every file; true when one of them may be half written. */
  private look(): boolean {
    const before = this.generation
    this.lostTrust = false
    const now = this.options.clock.now()
    let waiting = false
    for (const { living, take } of this.files) {
      const found = living.look(now)
      if (found === 'changed') take()
      waiting ||= found === 'waiting'
    }
    if (this.generation !== before) for (const listener of [...this.listeners]) listener(this.lostTrust)
    return waiting
  }
}

const POLL_MS = 10_000
