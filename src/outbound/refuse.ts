import type { Caller } from './caller.ts'
import type { DispatchController } from './handler.ts'

/** Answers a request that never became an exchange, in the order that both dialects expect. What a hook throws is reported. */
export function refuse(caller: Caller, error: unknown, report: (what: string, error: unknown) => void): boolean {
  const controller: DispatchController = {
    aborted: true,
    reason: error,
    paused: false,
    rawHeaders: null,
    rawTrailers: null,
    pause() {},
    resume() {},
    abort() {},
  }
  try {
    caller.start(controller)
  } catch (thrown) {
    report('request handler', thrown)
  }
  try {
    caller.error(controller, error)
  } catch (thrown) {
    report('response handler', thrown)
  }
  return true
}
