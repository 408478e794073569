/**
 * Reads ORCA's report from protobuf, of which it needs a dozen lines: numbers, and maps from names to numbers. False when the bytes
 * are not in order, or `add` takes a field for wrong.
 */
export function readBinaryReport(bytes: Uint8Array, add: (name: string, value: number) => boolean): boolean {
  const doubles = new Map<number, number>()
  const maps: (readonly [prefix: string, entry: Uint8Array])[] = []
  const right = readFields(bytes, (field, value) => {
    if (typeof value === 'number') {
      if (DOUBLES[field] !== undefined) doubles.set(field, value)
    } else if (MAPS[field] !== undefined) maps.push([MAPS[field], value])
  })
  if (!right) return false
  // Protobuf: of a field that is there twice the last counts.
  for (const [field, value] of doubles) if (!add(DOUBLES[field] as string, value)) return false
  for (const [prefix, entry] of maps) {
    let name = ''
    let number = 0
    const read = readFields(entry, (field, value) => {
      if (field === 1 && typeof value !== 'number') name = Buffer.from(value).toString('utf8')
      if (field === 2 && typeof value === 'number') number = value
    })
    if (!read || !add(prefix + name, number)) return false
  }
  return true
}

const DOUBLES: Readonly<Record<number, string>> = {
  1: 'cpu_utilization',
  2: 'mem_utilization',
  6: 'rps_fractional',
  7: 'eps',
  9: 'application_utilization',
}
const MAPS: Readonly<Record<number, string>> = { 5: 'utilization.', 8: 'named_metrics.' }

/** Walks over the fields of a message: doubles as numbers, what has a length as bytes; the rest is passed over. */
function readFields(bytes: Uint8Array, take: (field: number, value: number | Uint8Array) => void): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = 0
  /** At most 2^53: no tag and no length of ours is longer; NaN at the end of the bytes. */
  const varint = (): number => {
    let value = 0
    for (let factor = 1; factor <= 2 ** 63; factor *= 128) {
      const byte = bytes[at++]
      if (byte === undefined) return Number.NaN
      value += (byte & 127) * factor
      if (byte < 128) return value
    }
    return Number.NaN
  }
  while (at < bytes.length) {
    const tag = varint()
    const field = Math.floor(tag / 8)
    switch (tag % 8) {
      case 0:
        if (Number.isNaN(varint())) return false
        break
      case 1:
        if (at + 8 > bytes.length) return false
        take(field, view.getFloat64(at, true))
        at += 8
        break
      case 2: {
        const length = varint()
        if (!(at + length <= bytes.length)) return false
        take(field, bytes.subarray(at, at + length))
        at += length
        break
      }
      case 5:
        at += 4
        break
      default:
        return false
    }
  }
  return at === bytes.length
}
