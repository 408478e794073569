import { MetadataIndex, metadataValues } from '../balancing/metadata-index.ts'
import type { Call } from '../core/call.ts'
import type { Endpoint } from '../core/endpoint.ts'
import type { LaneSettings } from '../model/route-settings.ts'
import { type Division, hasUsable, isPromising, Selection, type SelectionGround, Selections } from './selection.ts'
import type { Choosable } from './service-balancing.ts'

/**
 * Endpoints by their colour: all of a service, or those of a subset. A call of a colour goes to the endpoints of that colour while one of
 * them is usable, else to the baseline: those without a colour, or all where every endpoint has one. A call without a colour goes to the
 * baseline.
 */
export class Lanes implements Division {
  readonly settings: LaneSettings
  private readonly whole: { readonly all: readonly Endpoint[] }
  private readonly index: MetadataIndex
  private readonly coloured: Selections
  private readonly baseline: Selection
  /** Where calls of a colour go that nobody has, when lanes are strict. */
  private readonly nobody: Selection
  /** The endpoints that `baseline` was taken from. */
  private all: readonly Endpoint[] | undefined = undefined

  /** @param whole whom the lanes divide; its list keeps its identity as long as its content stays */
  constructor(settings: LaneSettings, whole: { readonly all: readonly Endpoint[] }, ground: SelectionGround) {
    this.settings = settings
    this.whole = whole
    this.index = new MetadataIndex(whole)
    this.coloured = new Selections(ground)
    this.baseline = new Selection(ground)
    this.nobody = new Selection(ground)
  }

  /** Request header that holds a call's colour. */
  get header(): string {
    return this.settings.header
  }

  hasUntried(call: Call, colour: string | undefined): boolean {
    if (this.own(colour)?.set.hasUntried(call) === true) return true
    return !this.isStrict(colour) && this.plain().set.hasUntried(call)
  }

  selectionFor(call: Call, colour: string | undefined, now: number): Choosable {
    const own = this.own(colour)
    if (own !== undefined && (this.settings.strict || isPromising(own, call, now))) return own
    return this.isStrict(colour) ? this.nobody : this.plain()
  }

  /** In words, where a call of a colour goes. */
  describe(colour: string | undefined): string {
    const { header, label, strict } = this.settings
    if (this.isBaseline(colour)) return `no lane (${header}): the baseline`
    const own = this.own(colour)
    const where = `the lane ${colour} (${header}): `
    if (own !== undefined && hasUsable(own.set)) return `${where}endpoints whose ${label} is ${colour}`
    return `${where}no usable endpoint has ${label} ${colour}, ${strict ? 'and lanes are strict' : 'so the baseline takes it'}`
  }

  private isBaseline(colour: string | undefined): boolean {
    return colour === undefined || colour === '' || colour === this.settings.baseline
  }

  private isStrict(colour: string | undefined): boolean {
    return this.settings.strict && !this.isBaseline(colour)
  }

  /** The endpoints of a colour; undefined where nobody has it. */
  private own(colour: string | undefined): Selection | undefined {
    if (this.isBaseline(colour)) return undefined
    const endpoints = this.index.under(this.settings.label).get(colour as string)
    return endpoints === undefined ? undefined : this.coloured.of(colour as string, endpoints).current
  }

  private plain(): Selection {
    const { all } = this.whole
    if (this.all !== all) {
      this.all = all
      const plain = all.filter((endpoint) => this.isPlain(endpoint))
      this.baseline.select(plain.length === 0 ? all : Object.freeze(plain))
    }
    return this.baseline.current
  }

  private isPlain({ spec }: Endpoint): boolean {
    const { label, baseline } = this.settings
    const colours = metadataValues(spec, label)
    if (typeof colours === 'object') return baseline !== undefined && colours.includes(baseline)
    return colours === undefined || colours === '' || colours === baseline
  }
}
