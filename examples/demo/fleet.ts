import { type ChildProcess, fork } from 'node:child_process'
import type { Behaviour, Report } from './service.ts'

const PATIENCE_MS = 10_000

/** A real service process: started, told to misbehave, killed, started again on the same port. */
export class Service {
  readonly name: string
  private child: ChildProcess | undefined = undefined
  private port = 0
  private readonly crashed: (error: Error) => void

  /** @param crashed hears when the process ends although nobody asked it to */
  constructor(name: string, crashed: (error: Error) => void) {
    this.name = name
    this.crashed = crashed
  }

  get address(): string {
    return `127.0.0.1:${this.port}`
  }

  /** Resolves when it listens; the first time on a free port, later on the same. */
  async start(): Promise<void> {
    // The bundle starts itself with other arguments, so that the demo stays one file.
    const child = fork(process.argv[1] as string, ['service', this.name, String(this.port)], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      execArgv: process.execArgv.filter((flag) => !flag.startsWith('--inspect')),
    })
    this.child = child
    child.on('exit', (code, signal) => {
      if (this.child !== child) return
      this.child = undefined
      this.crashed(new Error(`${this.name} ended unexpectedly (${signal ?? `exit code ${code}`})`))
    })
    const report = await this.hear(child, (said) => 'listening' in said)
    if ('listening' in report) this.port = report.listening
  }

  /** SIGKILL: no goodbye, the kernel closes its sockets. */
  kill(): void {
    const { child } = this
    this.child = undefined
    child?.kill('SIGKILL')
  }

  /** Resolves when the process has changed its ways. */
  async behave(behaviour: Behaviour): Promise<void> {
    const { child } = this
    if (child === undefined) throw new Error(`${this.name} does not run`)
    const heard = this.hear(child, (said) => 'behaving' in said && said.behaving === behaviour)
    child.send(behaviour)
    await heard
  }

  private hear(child: ChildProcess, isIt: (report: Report) => boolean): Promise<Report> {
    return new Promise((resolve, reject) => {
      const end = (): void => {
        clearTimeout(timer)
        child.off('message', onMessage)
        child.off('exit', onExit)
        child.off('error', onError)
      }
      const onMessage = (report: unknown): void => {
        if (!isIt(report as Report)) return
        end()
        resolve(report as Report)
      }
      const onExit = (): void => onError(new Error('it ended'))
      const onError = (error: Error): void => {
        end()
        reject(new Error(`${this.name} did not come up: ${error.message}`))
      }
      const timer = setTimeout(() => onError(new Error(`no word from it in ${PATIENCE_MS / 1_000} s`)), PATIENCE_MS)
      child.on('message', onMessage)
      child.once('exit', onExit)
      child.once('error', onError)
    })
  }
}
