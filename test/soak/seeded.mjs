/** Numbers from 0 to 1 that are the same for the same seed (mulberry32). */
export function seeded(seed) {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** `count` bytes that say whose they are: no two seeds begin alike, and no part looks like another. */
export function bytesOf(seed, count) {
  const bytes = Buffer.allocUnsafe(count)
  const next = seeded(seed)
  for (let at = 0; at < count; at += 4) {
    const word = Math.floor(next() * 2 ** 32)
    for (let byte = 0; byte < 4 && at + byte < count; byte++) bytes[at + byte] = (word >>> (8 * byte)) & 0xff
  }
  return bytes
}
