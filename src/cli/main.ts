#!/usr/bin/env node
import { readFileSync, realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'
import process from 'node:process'
import { parseCommand, UsageError } from './arguments.ts'
import { HELP } from './help.ts'
import { type Terminal, terminalOutput } from './terminal.ts'

/** Runs one command line and gives the exit code. What a command needs is loaded with it, so that `--help` is there at once. */
async function run(argv: readonly string[], terminal: Terminal): Promise<number> {
  try {
    const command = parseCommand(argv)
    switch (command.name) {
      case 'help':
        terminal.out.write(HELP)
        return 0
      case 'version':
        terminal.out.write(`${version()}\n`)
        return 0
      case 'check':
        return await (await import('./check.ts')).check(command, terminal)
      case 'explain':
        return await (await import('./explain.ts')).explain(command, terminal)
    }
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    terminal.err.write(`${terminal.err.paint('red', `inmesh: ${error.message}`)}\n\n${HELP}`)
    return 2
  }
}

/** From the package that this file lies in; behind the link that npm makes in `node_modules/.bin`. */
function version(): string {
  const manifest = join(dirname(realpathSync(process.argv[1] as string)), '../../package.json')
  return (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version
}

// Whoever reads only the first lines (`| head`) ends the pipe, and that is no fault.
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
  })
run(process.argv.slice(2), { out: terminalOutput(process.stdout, process.env), err: terminalOutput(process.stderr, process.env) }).then(
  (code) => {
    process.exitCode = code
  },
  (error: unknown) => {
    process.stderr.write(`inmesh: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`)
    process.exitCode = 1
  },
)
