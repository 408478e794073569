/** Where keys fall between 0 and 1: always at the same place under one name, and elsewhere under another. */
export class KeyPosition {
  private readonly seed: number

  constructor(name: string) {
    this.seed = hash(name, FNV_OFFSET)
  }

  of(key: string): number {
    return mixed(hash(key, this.seed)) / 2 ** 32
  }
}

/** FNV-1a over the code units. */
function hash(text: string, from: number): number {
  let value = from
  for (let index = 0; index < text.length; index++) value = Math.imul(value ^ text.charCodeAt(index), 0x01000193)
  return value >>> 0
}

/** Spreads keys that differ in their last character only (the finaliser of MurmurHash3). */
function mixed(value: number): number {
  let spread = Math.imul(value ^ (value >>> 16), 0x85ebca6b)
  spread = Math.imul(spread ^ (spread >>> 13), 0xc2b2ae35)
  return (spread ^ (spread >>> 16)) >>> 0
}

const FNV_OFFSET = 0x811c9dc5
