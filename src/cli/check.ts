import type { FileArguments } from './arguments.ts'
import { count, read, writeProblems } from './read.ts'
import type { Terminal } from './terminal.ts'

/** Longest list of services that a summary has. */
const MOST_SERVICES = 50

/** `inmesh check`: every problem, or what there is. Gives the exit code. */
export async function check(command: FileArguments, { out, err }: Terminal): Promise<number> {
  const found = await read(command)
  const { services, routes, problems, places, files } = found
  if (services === undefined) {
    writeProblems(found, out)
    const broken = new Set(problems.map(({ file }) => file)).size
    err.write(err.paint('red', `${count(problems.length, 'problem')} in ${count(broken, 'file')}\n`))
    return 1
  }
  out.write(
    `${out.paint('green', 'ok')}: ${count(files, 'file')}, ${count(services.size, 'service')}${routes.length === 0 ? '' : `, ${count(routes.length, 'route')}`}\n`,
  )
  const rows = [...services].slice(0, MOST_SERVICES).map(([name, { endpoints, hosts }]) => {
    const place = places.services.get(name)?.place ?? ''
    const where = endpoints === undefined ? (hosts[0] ?? 'no endpoints') : count(endpoints.length, 'endpoint')
    return { name, where, place }
  })
  const wide = (column: 'name' | 'where'): number => Math.max(0, ...rows.map((row) => row[column].length))
  const [names, wheres] = [wide('name'), wide('where')]
  for (const { name, where, place } of rows) out.write(`  ${name.padEnd(names)}  ${where.padEnd(wheres)}  ${out.paint('dim', place)}\n`)
  if (services.size > rows.length) out.write(`  and ${services.size - rows.length} more\n`)
  return 0
}
