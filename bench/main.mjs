// npm run bench [-- --quick] [--json] [--endpoints 1,100] [--only request]
//
// Client and server run in processes of their own, pinned to different cores where `taskset` exists. A figure is the median of
// ratios taken in random order within each round, with its 95 % interval and an A/A pair of the same run.
import { fork, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const flag = (name) => process.argv.includes(`--${name}`)
const value = (name, fallback) => {
  const at = process.argv.indexOf(`--${name}`)
  return at < 0 ? fallback : process.argv[at + 1]
}
const here = (file) => fileURLToPath(new URL(file, import.meta.url))
const quick = flag('quick')
const pinned = spawnSync('taskset', ['-c', '0', 'true']).status === 0
const pin = (core, command) => (pinned ? ['taskset', '-c', String(core), ...command] : command)

async function run(endpoints, concurrency) {
  const server = fork(here('./server.mjs'), [String(endpoints)])
  const [{ ports }] = await once(server, 'message')
  if (pinned) spawnSync('taskset', ['-cp', '1', String(server.pid)])
  const settings = { ports, rounds: quick ? 5 : 21, sampleMs: quick ? 100 : 300, concurrency, only: value('only') }
  const [command, ...args] = pin(0, [process.execPath, here('./client.mjs'), JSON.stringify(settings)])
  const client = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  client.stdout.on('data', (text) => {
    output += text
  })
  const [code] = await once(client, 'exit')
  server.kill()
  if (code !== 0) throw new Error(`the client ended with ${code}`)
  return JSON.parse(output)
}

/** Up to three tries to get an A/A pair within 5 %; then what was seen is said as it is. */
async function resolved(endpoints, concurrency) {
  let result
  for (let attempt = 0; attempt < (quick ? 1 : 3); attempt++) {
    result = await run(endpoints, concurrency)
    if (Math.abs(result.control.ratio - 1) <= 0.05) break
  }
  return { ...result, resolvable: Math.abs(result.control.ratio - 1) <= 0.05 }
}

const fixed = (number, digits = 2) => number.toFixed(digits)

function report({ node, endpoints, concurrency, rounds, control, subjects, pairs, resolvable }) {
  const lines = [`\n${node}, ${endpoints} endpoint${endpoints > 1 ? 's' : ''}, concurrency ${concurrency}, ${rounds} rounds`]
  lines.push(
    `  A/A ${fixed(control.ratio, 3)} [${control.interval.map((each) => fixed(each, 3)).join(', ')}]${resolvable ? '' : '  not resolvable here'}`,
  )
  for (const [name, { cpuMicros, perSecond }] of Object.entries(subjects))
    lines.push(`  ${name.padEnd(18)} ${fixed(cpuMicros).padStart(8)} µs CPU ${fixed(perSecond, 0).padStart(8)}/s`)
  for (const { name, base, ratio, interval, addedMicros, throughput } of pairs) {
    lines.push(
      `  ${`${name} : ${base}`.padEnd(34)} CPU × ${fixed(ratio)} [${interval.map((each) => fixed(each)).join(', ')}]  ${addedMicros >= 0 ? '+' : ''}${fixed(addedMicros)} µs  throughput × ${fixed(throughput)}`,
    )
  }
  return lines.join('\n')
}

const results = []
for (const endpoints of value('endpoints', '1,100').split(',').map(Number)) {
  const result = await resolved(endpoints, Number(value('concurrency', '50')))
  results.push(result)
  if (!flag('json')) console.log(report(result))
}
if (!flag('skip-micro')) {
  const { micro } = await import('./micro.mjs')
  const figures = await micro()
  if (flag('json')) results.push({ micro: figures })
  else {
    console.log('\nparts of a call, ns')
    for (const [name, nanos] of Object.entries(figures)) console.log(`  ${name.padEnd(44)} ${fixed(nanos, 0).padStart(7)}`)
  }
}
if (flag('json')) console.log(JSON.stringify(results))
