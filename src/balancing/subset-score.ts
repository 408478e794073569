/** A number below 2^53 that `text` and `seed` decide, in two rounds of 32 bits as MurmurHash mixes them. */
export function scoreOf(text: string, seed: number): number {
  let a = seed | 0
  let b = ~seed
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    a = Math.imul(a ^ code, 0x85eb_ca77)
    b = Math.imul(b ^ code, 0xc2b2_ae3d)
    a ^= a >>> 15
  }
  a = Math.imul(a ^ (a >>> 16) ^ b, 0x85eb_ca6b)
  b = Math.imul(b ^ (b >>> 13) ^ a, 0xc2b2_ae35)
  return ((a ^ (a >>> 16)) >>> 0) * 0x20_0000 + ((b ^ (b >>> 16)) >>> 11)
}

/** The number that stands for a process: who it is, and which of its kind. */
export function subsetSeed(service: string, instance: number): number {
  return scoreOf(service, instance) % 0x1_0000_0000
}
