// Measures the subjects of one suite in random order, round by round, in one process, and prints one JSON line.
import { interval, median, quantile, shuffled } from './statistics.mjs'
import { makeSubjects } from './subjects.mjs'

const { ports, grpcPort, rounds, sampleMs, warmUpCalls, concurrency, pairs, heap } = JSON.parse(process.argv[2])

/** Runs `count` calls, so many at a time; gives how long each took, in ms. */
async function run(subject, count) {
  const times = new Float64Array(count)
  let next = 0
  const worker = async () => {
    while (next < count) {
      const index = next++
      const since = performance.now()
      const status = await subject()
      if (status !== 200) throw new Error(`status ${status}`)
      times[index] = performance.now() - since
    }
  }
  await Promise.all(Array.from({ length: concurrency }, worker))
  return times
}

async function measure(subject, calls) {
  const cpuBefore = process.cpuUsage()
  const startedAt = performance.now()
  const times = (await run(subject, calls)).sort()
  const wallMs = performance.now() - startedAt
  const { user, system } = process.cpuUsage(cpuBefore)
  return {
    cpuMicros: (user + system) / calls,
    perSecond: (calls * 1_000) / wallMs,
    p50: quantile(times, 0.5),
    p99: quantile(times, 0.99),
  }
}

/** Warms `subject` up and says how many calls fill one sample. */
async function warmUp(subject) {
  await run(subject, warmUpCalls)
  const { perSecond } = await measure(subject, warmUpCalls / 2)
  return Math.max(200, Math.round((perSecond * sampleMs) / 1_000))
}

/** Bytes of heap that one call takes, in a young generation so large that nothing is collected meanwhile. */
async function allocated(subject) {
  const calls = 2_000
  await run(subject, 1_000)
  globalThis.gc()
  const before = process.memoryUsage().heapUsed
  await run(subject, calls)
  return (process.memoryUsage().heapUsed - before) / calls
}

const undici = await import('undici')
const { subjects, sockets, close } = await makeSubjects({ ports, grpcPort, concurrency }, !('Dispatcher1Wrapper' in undici))
const names = [...new Set(pairs.flat())]
// The same subject twice: what two equal things differ by on this machine, in this run.
const control = pairs[0][1]
const all = [...names, `${control} again`]
const subjectOf = (name) => subjects[name.replace(/ again$/, '')]

const calls = {}
for (const name of shuffled(all)) calls[name] = await warmUp(subjectOf(name))
const samples = Object.fromEntries(all.map((name) => [name, []]))
let mostSockets = 0
if (heap) {
  for (const name of names) samples[name].push({ allocated: await allocated(subjectOf(name)) })
} else {
  for (let round = 0; round < rounds; round++) {
    for (const name of shuffled(all)) {
      samples[name].push(await measure(subjectOf(name), calls[name]))
      mostSockets = Math.max(mostSockets, sockets())
    }
  }
}
await close()

const series = (name, figure) => samples[name].map((sample) => sample[figure])
const ratios = (name, base, figure) => series(name, figure).map((value, round) => value / series(base, figure)[round])
const compare = (name, base) => {
  const ratio = (figure) => {
    const values = ratios(name, base, figure)
    return { median: median(values), interval: interval(values) }
  }
  const added = series(name, 'cpuMicros').map((value, round) => value - series(base, 'cpuMicros')[round])
  return {
    name,
    base,
    cpu: ratio('cpuMicros'),
    throughput: ratio('perSecond'),
    p50: ratio('p50'),
    p99: ratio('p99'),
    addedMicros: median(added),
  }
}
const figures = (name) =>
  Object.fromEntries(['cpuMicros', 'perSecond', 'p50', 'p99'].map((figure) => [figure, median(series(name, figure))]))
process.stdout.write(
  `${JSON.stringify(
    heap
      ? Object.fromEntries(names.map((name) => [name, samples[name][0].allocated]))
      : {
          node: process.version,
          rounds,
          mostSockets,
          control: compare(`${control} again`, control),
          subjects: Object.fromEntries(names.map((name) => [name, figures(name)])),
          pairs: pairs.map(([name, base]) => compare(name, base)),
        },
  )}\n`,
)
