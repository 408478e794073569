// npm run bench [-- --quick] [--json] [--only small,stream] [--node PATH] [--skip-micro]
//
// Client and server run in processes of their own, pinned to different cores where `taskset` exists. A figure is the median of
// ratios taken in random order within each round, with its 95 % interval and an A/A pair of the same run.
import { fork, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { SUITES } from './suites.mjs'

const flag = (name) => process.argv.includes(`--${name}`)
const value = (name) => (flag(name) ? process.argv[process.argv.indexOf(`--${name}`) + 1] : undefined)
const here = (file) => fileURLToPath(new URL(file, import.meta.url))
const quick = flag('quick')
const node = value('node') ?? process.execPath
const pinned = spawnSync('taskset', ['-c', '0', 'true']).status === 0

/** Runs the client of one suite against `server` and gives what it printed. */
async function measure(suite, server, extra = {}, nodeArgs = []) {
  const settings = { ...server, ...suite, rounds: quick ? 5 : 21, sampleMs: quick ? 40 : 250, warmUpCalls: quick ? 1_000 : 6_000, ...extra }
  const client = [node, ...nodeArgs, here('./client.mjs'), JSON.stringify(settings)]
  const [command, ...args] = pinned ? ['taskset', '-c', '0', ...client] : client
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  child.stdout.on('data', (text) => {
    output += text
  })
  const [code] = await once(child, 'exit')
  if (code !== 0) throw new Error(`the client of ${suite.name} ended with ${code}`)
  return JSON.parse(output)
}

const even = ({ control }) => Math.abs(control.cpu.median - 1) <= 0.05

/** Up to three tries to get an A/A pair within 5 %; then what was seen is said as it is. */
async function resolved(suite) {
  const server = fork(here('./server.mjs'), [String(suite.endpoints)])
  const [ports] = await once(server, 'message')
  if (pinned) spawnSync('taskset', ['-cp', '1', String(server.pid)])
  try {
    let result
    for (let attempt = 0; attempt < (quick ? 1 : 3); attempt++) {
      result = await measure(suite, ports)
      if (even(result)) break
    }
    const heap = await measure(suite, ports, { heap: true }, ['--expose-gc', '--max-semi-space-size=512'])
    return { ...suite, ...result, heap, resolvable: even(result) }
  } finally {
    server.kill()
  }
}

const fixed = (number, digits = 2) => number.toFixed(digits)
const sure = ({ median, interval }) => `× ${fixed(median)} [${interval.map((each) => fixed(each)).join(', ')}]`

function report({ name, what, node, endpoints, concurrency, rounds, mostSockets, control, subjects, pairs, heap, resolvable }) {
  const lines = [`\n${name}: ${what}; ${node}, concurrency ${concurrency}, ${rounds} rounds`]
  if (endpoints > 1) lines.push(`  connections of the mesh: ${mostSockets} at most, to ${endpoints} endpoints`)
  lines.push(`  A/A CPU ${sure(control.cpu)}${resolvable ? '' : '  not resolvable here'}`)
  for (const [subject, { cpuMicros, perSecond, p50, p99 }] of Object.entries(subjects)) {
    const figures = [`${fixed(cpuMicros)} µs CPU`, `${fixed(perSecond, 0)}/s`, `p50 ${fixed(p50)} ms`, `p99 ${fixed(p99)} ms`]
    lines.push(
      `  ${subject.padEnd(20)} ${figures.map((each) => each.padStart(14)).join(' ')} ${fixed(heap[subject] / 1_024, 1).padStart(8)} KiB`,
    )
  }
  for (const { name: subject, base, cpu, throughput, p50, p99, addedMicros } of pairs) {
    const added = `${addedMicros >= 0 ? '+' : ''}${fixed(addedMicros)} µs`
    lines.push(`  ${subject} : ${base}`)
    lines.push(
      `    throughput ${sure(throughput)}  CPU ${sure(cpu)} ${added}  p50 ${sure(p50)}  p99 ${sure(p99)}  heap × ${fixed(heap[subject] / heap[base])}`,
    )
  }
  return lines.join('\n')
}

const only = value('only')?.split(',')
const results = []
for (const suite of SUITES) {
  if (only !== undefined && !only.includes(suite.name)) continue
  const result = await resolved(suite)
  results.push(result)
  if (!flag('json')) console.log(report(result))
}
if (!flag('skip-micro') && only === undefined) {
  const { micro } = await import('./micro.mjs')
  const figures = await micro()
  if (flag('json')) results.push({ micro: figures })
  else {
    console.log('\nparts of a call, ns')
    for (const [name, nanos] of Object.entries(figures)) console.log(`  ${name.padEnd(44)} ${fixed(nanos, 0).padStart(7)}`)
  }
}
if (flag('json')) console.log(JSON.stringify(results))
