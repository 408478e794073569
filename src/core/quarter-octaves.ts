/**
 * Columns whose bounds grow by 2^(1/4): a quantile read from them is right within 19 %. What lies at or below 1 is in the first; number `n`
 * goes up to 2^(n/4), and the last one takes the rest. Found by the octave of a whole number and at most four comparisons, a quarter of
 * what a logarithm costs.
 * @param columns how many there are, at most 120
 */
export function quarterOctaveOf(value: number, columns: number): number {
  if (value <= 1) return 0
  if (!(value < MOST)) return columns - 1
  let column = (31 - Math.clz32(value)) * PER_OCTAVE
  while ((BOUNDS[column] as number) < value) column++
  return column < columns ? column : columns - 1
}

/** Columns of one doubling. */
const PER_OCTAVE = 4
/** Beyond it a number has no 32 bits. */
const MOST = 2 ** 30
const BOUNDS = Float64Array.from({ length: 31 * PER_OCTAVE }, (_, column) => 2 ** (column / PER_OCTAVE))
