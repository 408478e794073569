import { splitHost } from '../core/host.ts'

interface Claim<T> {
  readonly port: number | undefined
  readonly value: T
}

/** By the length of what is written beside the `*`, the longest first. */
type Wildcards<T> = Map<number, Map<string, Claim<T>[]>>

/**
 * Who answers a host, in Envoy's order: the exact name, `*.example.com` with the longest ending, `shop.*` with the longest beginning, `*`.
 * A pattern with a port goes before the same one without; of two that are the same the one that was added first.
 */
export class HostSearch<T> {
  private readonly names = new Map<string, Claim<T>[]>()
  private readonly endings: Wildcards<T> = new Map()
  private readonly beginnings: Wildcards<T> = new Map()
  private readonly everything: Claim<T>[] = []

  add(pattern: string, value: T): void {
    const { host, port } = splitHost(pattern)
    const claim = { port, value }
    if (host === '*') this.everything.push(claim)
    else if (host.startsWith('*')) put(this.endings, host.slice(1), claim)
    else if (host.endsWith('*')) put(this.beginnings, host.slice(0, -1), claim)
    else append(this.names, host, claim)
  }

  /** Nothing more is added. */
  seal(): void {
    for (const wildcards of [this.endings, this.beginnings]) {
      const sorted = [...wildcards].sort((a, b) => b[0] - a[0])
      wildcards.clear()
      for (const [length, texts] of sorted) wildcards.set(length, texts)
    }
  }

  /** By its very name; `host` is canonical. */
  exact(host: string, port: number): T | undefined {
    return answering(this.names.get(host), port)
  }

  /** By a pattern; a `*` never stands for nothing. */
  wildcard(host: string, port: number): T | undefined {
    for (const [length, texts] of this.endings) {
      const found = length < host.length ? answering(texts.get(host.slice(-length)), port) : undefined
      if (found !== undefined) return found
    }
    for (const [length, texts] of this.beginnings) {
      const found = length < host.length ? answering(texts.get(host.slice(0, length)), port) : undefined
      if (found !== undefined) return found
    }
    return answering(this.everything, port)
  }
}

function put<T>(wildcards: Wildcards<T>, text: string, claim: Claim<T>): void {
  const texts = wildcards.get(text.length) ?? new Map<string, Claim<T>[]>()
  wildcards.set(text.length, texts)
  append(texts, text, claim)
}

function append<T>(map: Map<string, Claim<T>[]>, key: string, claim: Claim<T>): void {
  const claims = map.get(key)
  if (claims === undefined) map.set(key, [claim])
  else claims.push(claim)
}

function answering<T>(claims: readonly Claim<T>[] | undefined, port: number): T | undefined {
  return (claims?.find((claim) => claim.port === port) ?? claims?.find((claim) => claim.port === undefined))?.value
}
