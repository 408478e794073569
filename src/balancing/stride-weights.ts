/**
 * Weights as gRPC's static stride scheduler has them: whole numbers up to {@link FULL}, which the highest gets. Unknown ones (0) weigh
 * what the known ones weigh on average; nobody weighs more than ten times that, nor less than a tenth. All alike where fewer than two are known.
 */
export function scaledWeights(weights: Float64Array): Uint16Array {
  const scaled = new Uint16Array(weights.length)
  let known = 0
  let sum = 0
  let most = 0
  for (const weight of weights) {
    if (weight <= 0) continue
    known++
    sum += weight
    if (weight > most) most = weight
  }
  if (known < 2) return scaled.fill(FULL)
  const average = sum / known
  const highest = Math.min(most, average * MAX_RATIO)
  const factor = FULL / highest
  const mean = Math.round(factor * average)
  const lowest = Math.ceil(factor * average * MIN_RATIO)
  for (let index = 0; index < weights.length; index++) {
    const weight = weights[index] as number
    scaled[index] = weight <= 0 ? mean : Math.max(lowest, Math.round(factor * Math.min(weight, highest)))
  }
  return scaled
}

/** The highest weight, and how many rounds it takes until everybody's turns begin again. */
export const FULL = 0xffff

const MAX_RATIO = 10
const MIN_RATIO = 0.1
