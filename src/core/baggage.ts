const TOKEN = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+"
const OCTETS = '[\\x21\\x23-\\x2b\\x2d-\\x3a\\x3c-\\x5b\\x5d-\\x7e]*'
const MEMBER = new RegExp(`^${TOKEN}[\\t ]*=[\\t ]*${OCTETS}(?:[\\t ]*;[\\t ]*${TOKEN}(?:[\\t ]*=[\\t ]*${OCTETS})?)*$`)

/** Members and bytes that everybody passes on (W3C Baggage §3.3.2); what goes beyond is left out. */
const MAX_MEMBERS = 64
const MAX_BYTES = 8_192

/** Every value of the header `baggage` as one, without what is no member of it; undefined when nothing is left. */
export function boundedBaggage(values: readonly string[]): string | undefined {
  let baggage = ''
  let count = 0
  for (const value of values) {
    for (const part of value.split(',', MAX_MEMBERS + 1)) {
      const member = part.replace(/^[\t ]+|[\t ]+$/g, '')
      // The length is looked at first, so that no pattern ever meets a long text.
      if (member === '' || baggage.length + member.length + 1 > MAX_BYTES || !MEMBER.test(member)) continue
      baggage = baggage === '' ? member : `${baggage},${member}`
      if (++count === MAX_MEMBERS) return baggage
    }
  }
  return count === 0 ? undefined : baggage
}
