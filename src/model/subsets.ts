/** Values that an endpoint's metadata must have, all of them. */
export type MetadataOptions = Record<string, string>

/**
 * Where calls go while nobody is usable that they are meant for: nowhere, which is `MESH_NO_ENDPOINT`; to any endpoint; or to the first of
 * a list of which somebody is: names of subsets, metadata, `'any'`. Default `none`.
 */
export type OtherwiseOptions = 'none' | 'any' | (string | MetadataOptions)[]

/** Endpoints of a service that routes may name: by their metadata, or by these and where their calls go otherwise. */
export type NamedSubsetOptions = MetadataOptions | { metadata: MetadataOptions; otherwise?: OtherwiseOptions }

/** Which endpoints of its service a backend or a mirror means: a subset by its name, or metadata. */
export interface SelectionOptions {
  subset?: string
  metadata?: MetadataOptions
  /** In place of what the subset says. Default `none`. */
  otherwise?: OtherwiseOptions
}

/** One place of several that calls may go to; exactly one of the three, `any` is true. */
export interface SelectionStep {
  readonly subset?: string
  readonly metadata?: Readonly<Record<string, string>>
  readonly any?: true
}

/** Endpoints of a service that have a name. */
export interface NamedSubsetSettings {
  readonly metadata: Readonly<Record<string, string>>
  readonly otherwise: readonly SelectionStep[]
}

/** Which endpoints of its service a backend or a mirror means, checked. Both are absent: all of them. */
export interface SelectionSettings {
  readonly subset?: string
  readonly metadata?: Readonly<Record<string, string>>
  /** Undefined: as the subset says, and nowhere else without one. */
  readonly otherwise?: readonly SelectionStep[]
}
