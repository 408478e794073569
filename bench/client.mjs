// Measures every subject in random order, round by round, in one process, and prints one JSON line.
import { interval, median, shuffled } from './statistics.mjs'
import { makeSubjects, PAIRS } from './subjects.mjs'

const { ports, rounds, sampleMs, concurrency, only } = JSON.parse(process.argv[2])

async function run(subject, count) {
  let left = count
  const worker = async () => {
    while (left-- > 0) {
      const status = await subject()
      if (status !== 200) throw new Error(`status ${status}`)
    }
  }
  await Promise.all(Array.from({ length: concurrency }, worker))
}

async function measure(subject, calls) {
  const cpuBefore = process.cpuUsage()
  const startedAt = performance.now()
  await run(subject, calls)
  const wallMs = performance.now() - startedAt
  const { user, system } = process.cpuUsage(cpuBefore)
  return { cpuMicros: (user + system) / calls, perSecond: (calls * 1_000) / wallMs }
}

/** Warms `subject` up and says how many calls fill one sample. */
async function warmUp(subject) {
  await run(subject, 5_000)
  const { perSecond } = await measure(subject, 5_000)
  return Math.max(500, Math.round((perSecond * sampleMs) / 1_000))
}

const undici = await import('undici')
const { subjects, close } = await makeSubjects(ports, !('Dispatcher1Wrapper' in undici))
const pairs = PAIRS.filter(([name]) => only === undefined || name.startsWith(only))
const names = [...new Set(pairs.flat())]
// The same subject twice: what two equal things differ by on this machine, in this run.
const control = names.find((name) => name.endsWith('bare')) ?? names[0]
const all = [...names, `${control} again`]
const subjectOf = (name) => subjects[name.replace(/ again$/, '')]

const calls = {}
for (const name of shuffled(all)) calls[name] = await warmUp(subjectOf(name))
const samples = Object.fromEntries(all.map((name) => [name, []]))
for (let round = 0; round < rounds; round++) {
  for (const name of shuffled(all)) {
    samples[name].push(await measure(subjectOf(name), calls[name]))
  }
}
await close()

const cpu = (name) => samples[name].map(({ cpuMicros }) => cpuMicros)
const compare = (name, base) => {
  const ratios = cpu(name).map((value, round) => value / cpu(base)[round])
  const throughput = samples[name].map(({ perSecond }, round) => perSecond / samples[base][round].perSecond)
  const added = cpu(name).map((value, round) => value - cpu(base)[round])
  return { name, base, ratio: median(ratios), interval: interval(ratios), addedMicros: median(added), throughput: median(throughput) }
}
process.stdout.write(
  `${JSON.stringify({
    node: process.version,
    endpoints: ports.length,
    concurrency,
    rounds,
    control: compare(`${control} again`, control),
    subjects: Object.fromEntries(
      names.map((name) => [name, { cpuMicros: median(cpu(name)), perSecond: median(samples[name].map(({ perSecond }) => perSecond)) }]),
    ),
    pairs: pairs.map(([name, base]) => compare(name, base)),
  })}\n`,
)
