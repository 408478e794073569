import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'

/** A real service process on loopback: started, told to misbehave, killed, started again on the same port. */
class Service {
  port = 0
  child = undefined
  script

  constructor(script) {
    this.script = script
  }

  get address() {
    return `127.0.0.1:${this.port}`
  }

  /** Resolves when it listens; the first time on a free port, later on the same. */
  async start() {
    this.child = fork(join(import.meta.dirname, this.script), [String(this.port)], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      execArgv: [],
    })
    const [{ listening }] = await once(this.child, 'message')
    this.port = listening
    return this
  }

  /** SIGKILL: no goodbye, the kernel closes its sockets. Resolves when it is gone. */
  async kill() {
    const { child } = this
    this.child = undefined
    if (child === undefined) return
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
  }

  /** SIGTERM: it finishes what it has and goes. Resolves when it is gone. */
  async terminate() {
    const { child } = this
    this.child = undefined
    const gone = once(child, 'exit')
    child.kill('SIGTERM')
    await gone
  }

  /** Changes its ways: `ok`, `503` or `hang`; resolves when it has, with what it saw so far. */
  behave(behave) {
    return this.ask({ behave })
  }

  /** `{ requests, sockets }` as the service counts them. */
  report() {
    return this.ask({})
  }

  async ask(message) {
    const answer = once(this.child, 'message')
    this.child.send(message)
    return (await answer)[0]
  }
}

/** `count` services that listen; `script` is what runs in their processes. */
export function services(count, script = 'server.mjs') {
  return Promise.all(Array.from({ length: count }, () => new Service(script).start()))
}
