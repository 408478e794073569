import { kindsOf, rolled } from './rolling.mjs'

/** A rolling restart of three services that know no more of it than `process.once('SIGTERM', () => mesh.close())`: nothing is lost, plain POSTs included. */
export async function run({ short }) {
  const rows = []
  const kinds = kindsOf(true)
  for (let round = 1; round <= (short ? 1 : 5); round++) {
    const { calls, seen, retries, movedOn } = await rolled({
      count: 3,
      script: 'guarded-server.mjs',
      end: (service) => service.terminate(),
      kinds,
      everyMs: short ? 1_500 : 5_000,
    })
    rows.push({
      what: `round ${round}: lost of ${calls.length} (${kinds.join(', ')}; ${retries} re-sent, ${movedOn} moved on)`,
      asked: 0,
      seen: seen.count === 0 ? 0 : `${seen.count}: ${seen.kinds}`,
      ok: seen.count === 0,
    })
  }
  return rows
}
