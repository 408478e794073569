import type { RedirectSettings } from '../model/route-settings.ts'
import { PathRewrite } from './path-rewrite.ts'
import type { RoutedRequest } from './request-view.ts'

/** The URL that was asked for, as far as a redirect keeps it. */
export interface RedirectedUrl {
  readonly secure: boolean
  /** `host` or `host:port` as it was written; a default port is not. */
  readonly authority: string
}

/** Where a redirect sends its callers. */
export class Location {
  private readonly settings: RedirectSettings
  private readonly rewrite: PathRewrite

  /** @throws Error for a pattern that nobody checked */
  constructor(settings: RedirectSettings) {
    this.settings = settings
    this.rewrite = new PathRewrite(settings)
  }

  /** The `Location` for a request; its port goes with its host, and with a change of scheme. */
  of({ secure, authority }: RedirectedUrl, request: RoutedRequest, prefixLength: number): string {
    const { scheme = secure ? 'https' : 'http', host, port, stripQuery } = this.settings
    const written = /^(.*?)(?::(\d+))?$/.exec(authority) as unknown as [string, string, string | undefined]
    const sameScheme = (scheme === 'https') === secure
    const kept = host === undefined && sameScheme && written[2] !== undefined ? Number(written[2]) : undefined
    const named = port ?? kept
    const end = named === undefined || named === (scheme === 'https' ? 443 : 80) ? '' : `:${named}`
    const query = stripQuery || request.query === '' ? '' : `?${request.query}`
    return `${scheme}://${host ?? written[1]}${end}${this.rewrite.apply(request.pathname, prefixLength)}${query}`
  }
}
