/**
 * Whether so many failures are more than chance would give an endpoint that is like the others: the test of two proportions, with
 * the correction for small counts. Large counts make the smallest difference certain, so the odds must be twice the others' too.
 * The endpoint itself is not among the others: of few it would hide behind its own failures, as behind the mean in Envoy.
 * @param among how many endpoints are compared with each other: of many some are always unlucky
 */
export function isWorse(failures: number, answers: number, othersFailures: number, others: number, among: number): boolean {
  // With nobody to compare with nothing can be told: were all to suffer, the last one in use would only change places with who is out.
  if (others <= 0) return false
  // Multiplied crosswise: failures ÷ successes < TIMES_ODDS × othersFailures ÷ others' successes.
  if (failures * (others - othersFailures) < TIMES_ODDS * othersFailures * (answers - failures)) return false
  const together = (failures + othersFailures) / (answers + others)
  const spread = 1 / answers + 1 / others
  const difference = failures / answers - othersFailures / others - spread / 2
  // The tail of a normal distribution falls by n where the square of its bound grows by 2 ln n.
  const bound = SIGNIFICANT * SIGNIFICANT + 2 * Math.log(Math.max(1, among / 2))
  if (difference <= 0 || difference * difference < bound * together * (1 - together) * spread) return false
  // Of rare failures a few are no normal distribution: the likelihoods must be as far apart.
  const surprise =
    gain(failures, answers * together) +
    gain(answers - failures, answers * (1 - together)) +
    gain(othersFailures, others * together) +
    gain(others - othersFailures, others * (1 - together))
  return 2 * surprise >= bound
}

/** What `seen` events add to the logarithm of the likelihood, where `expected` were to be expected. */
function gain(seen: number, expected: number): number {
  return seen === 0 ? 0 : seen * Math.log(seen / expected)
}

/** How much worse than the others together an endpoint must be. */
const TIMES_ODDS = 2
/** Standard deviations, for two endpoints: chance alone goes beyond them once in a thousand times. */
const SIGNIFICANT = 3.09
