import type { Permit, Refusal } from '../core/gate.ts'
import type { Authenticator } from '../model/authentication.ts'
import type { InboundCall, InboundGate } from '../model/inbound-call.ts'
import { InboundRequest } from './inbound-request.ts'

/**
 * Authentication as the guard asks it: when a request is admitted, it becomes at once what its token makes of it, so that the gates
 * behind and the application see the same headers.
 */
export class AuthenticationGate implements InboundGate {
  readonly name: string
  private readonly authenticator: Authenticator

  constructor(authenticator: Authenticator) {
    this.authenticator = authenticator
    this.name = authenticator.name
  }

  admit(call: InboundCall): Permit | Refusal | PromiseLike<Permit | Refusal> {
    const answer = this.authenticator.admit(call)
    return 'then' in answer ? answer.then((later) => this.edited(call, later)) : this.edited(call, answer)
  }

  private edited(call: InboundCall, answer: Permit | Refusal): Permit | Refusal {
    if (answer.refused === true) return answer
    const edits = this.authenticator.editsFor(call)
    if (edits !== undefined && call instanceof InboundRequest) call.edit(edits)
    return answer
  }
}
