// Medians of ratios and how sure they are.

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** @param sorted ascending */
export function quantile(sorted, share) {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]
}

/** The 95 % interval of the median by order statistics (binomial, normal approximation). */
export function interval(values) {
  const sorted = [...values].sort((a, b) => a - b)
  const n = sorted.length
  const spread = 1.96 * Math.sqrt(n) * 0.5
  const low = Math.max(0, Math.floor(n / 2 - spread))
  const high = Math.min(n - 1, Math.ceil(n / 2 + spread) - 1)
  return [sorted[low], sorted[Math.max(low, high)]]
}

export function shuffled(values) {
  const mixed = [...values]
  for (let index = mixed.length - 1; index > 0; index--) {
    const other = Math.floor(Math.random() * (index + 1))
    ;[mixed[index], mixed[other]] = [mixed[other], mixed[index]]
  }
  return mixed
}
