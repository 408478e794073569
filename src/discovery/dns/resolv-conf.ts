/** What resolv.conf(5) says about short names. Its servers are read by c-ares itself. */
export interface ResolvConf {
  readonly search: readonly string[]
  /** A name with fewer dots is tried with the search list first. */
  readonly ndots: number
}

/** Reads resolv.conf; of several `search` or `domain` lines the last counts, as in glibc. */
export function parseResolvConf(text: string): ResolvConf {
  let search: readonly string[] = []
  let ndots = 1
  for (const line of text.split('\n')) {
    const [keyword = '', ...words] = line
      .replace(/[#;].*/, '')
      .trim()
      .split(/\s+/)
    if (keyword === 'search' || keyword === 'domain')
      search = words.slice(0, MAX_SEARCH).map((each) => each.toLowerCase().replace(/\.$/, ''))
    if (keyword !== 'options') continue
    for (const word of words) {
      const written = /^ndots:(\d{1,3})$/.exec(word)?.[1]
      if (written !== undefined) ndots = Math.min(Number(written), MAX_NDOTS)
    }
  }
  return { search: search.filter((each) => each !== ''), ndots }
}

/** The full names that `name` may mean, in the order they are asked for. A trailing dot says that it is full already. */
export function candidates(name: string, { search, ndots }: ResolvConf): string[] {
  if (name.endsWith('.')) return [name.slice(0, -1)]
  const dots = name.split('.').length - 1
  const searched = search.map((domain) => `${name}.${domain}`).filter((each) => each.length <= MAX_NAME)
  return dots >= ndots ? [name, ...searched] : [...searched, name]
}

/** glibc's bound for ndots; names in a search list had one of six until it was lifted. */
const MAX_NDOTS = 15
const MAX_SEARCH = 32
const MAX_NAME = 253
