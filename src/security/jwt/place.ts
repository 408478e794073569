import type { TokenPlace } from '../../model/authentication.ts'
import type { Provider } from './provider.ts'
import { type ReadPlace, readerOf } from './read-place.ts'

/** One place where tokens are looked for, and whose tokens may be there. */
export class Place {
  readonly read: ReadPlace
  private readonly byIssuer = new Map<unknown, Provider>()
  /** The longest token that one of its providers takes. */
  maxBytes = 0

  constructor(place: TokenPlace) {
    this.read = readerOf(place)
  }

  add(provider: Provider): void {
    this.byIssuer.set(provider.settings.issuer, provider)
    this.maxBytes = Math.max(this.maxBytes, provider.settings.maxTokenBytes)
  }

  /** The provider whose tokens say that they are issued by `issuer`; `issuer` is whatever the token says. */
  providerOf(issuer: unknown): Provider | undefined {
    return this.byIssuer.get(issuer)
  }
}

/** Every place that the providers name, each once. */
export function placesOf(providers: readonly Provider[]): readonly Place[] {
  const places = new Map<string, Place>()
  for (const provider of providers) {
    for (const written of provider.settings.from) {
      const key = JSON.stringify([written.kind, written.name, written.kind === 'header' ? written.prefix.toLowerCase() : ''])
      const place = places.get(key) ?? new Place(written)
      places.set(key, place)
      place.add(provider)
    }
  }
  return [...places.values()]
}
