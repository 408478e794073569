import { failing, simulate, steady } from 'inmesh/testing'

const INTERVAL_MS = 10_000
const ALGORITHMS = {
  inmesh: { dry: {}, live: {} },
  envoy: { dry: { algorithm: 'envoy', successRate: { enforcingPercent: 0 } }, live: { algorithm: 'envoy' } },
  grpc: {
    dry: { algorithm: 'grpc', successRate: { enforcementPercent: 0 } },
    live: { algorithm: 'grpc', successRate: {}, failurePercentage: {} },
  },
}
/** Percent of the sweeps in which Envoy's success rate is known to find a healthy endpoint, and how far off a simulation may be. */
const KNOWN = { 5: 32, 10: 58, 20: 84, 50: 99 }
const OFF_BY = 5

const healthy = { profile: failing(0.001, steady(5), 500) }
const dead = { profile: steady(5, 500), bad: true }

/** A hundred requests and a few for everybody in each interval. */
function load(endpoints, intervals, outlierDetection) {
  const policy = { balancing: { policy: 'round-robin' }, circuitBreaker: false, retry: { attempts: 0 }, outlierDetection }
  const perSecond = (endpoints.length * 104) / (INTERVAL_MS / 1_000)
  return simulate({ endpoints, perSecond, forMs: intervals * INTERVAL_MS + 100, arrivals: 'even', policy })
}

function flagged(count, sweeps, dry) {
  const { detections } = load(new Array(count).fill(healthy), sweeps, dry)
  return (new Set(detections.map(({ at }) => Math.floor(at / INTERVAL_MS))).size * 100) / sweeps
}

/** How often each algorithm finds an endpoint that is in order, and how many of the dead ones it ejects. */
export function run({ short }) {
  const rows = []
  for (const [name, { dry, live }] of Object.entries(ALGORITHMS)) {
    for (const count of [2, 3, 5, 10, 20, 50]) {
      const sweeps = Math.ceil((short ? 1_000 : 20_000) / Math.max(count, 5))
      const percent = flagged(count, sweeps, dry)
      const known = name === 'inmesh' ? 0 : (KNOWN[count] ?? 0)
      // The shorter the simulation the further it may be off by chance.
      const asked = name === 'inmesh' ? '<= 1 %' : `about ${known} %`
      const offBy = name === 'inmesh' ? 1 : OFF_BY + 100 / Math.sqrt(sweeps)
      rows.push({
        what: `${name}: sweeps of ${sweeps} that find one of ${count} healthy`,
        asked,
        seen: `${percent.toFixed(1)} %`,
        ok: Math.abs(percent - known) <= offBy,
      })
    }
    for (const [bad, count] of [
      [1, 2],
      [1, 3],
      [2, 5],
      [2, 9],
    ]) {
      const { ejections } = load(
        Array.from({ length: count }, (_, index) => (index < bad ? dead : healthy)),
        2,
        live,
      )
      const out = new Set(ejections.filter(({ wrong }) => !wrong).map(({ endpoint }) => endpoint)).size
      rows.push({
        what: `${name}: out of ${bad} dead among ${count} after two sweeps`,
        asked: name === 'inmesh' ? bad : 'no promise',
        seen: out,
        ok: name !== 'inmesh' || out === bad,
      })
    }
  }
  return rows
}
