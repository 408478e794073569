import { setTimeout as wait } from 'node:timers/promises'
import type { FailureKind, Mesh, MeshEvents, ServiceStats } from 'inmesh'
import type { Service } from './fleet.ts'
import type { Traffic } from './traffic.ts'

/** How long an ejection lasts in the demo; the default of inmesh is 30 s. */
export const EJECT_FOR_MS = 3_000

const CALM_FIRST_MS = 4_500
const BROKEN_FOR_MS = 2_200
const CALM_AFTER_MS = 4_300
/** Nothing in the demo waits longer than this for something that should have happened. */
const PATIENCE_MS = 8_000

/** What one act did to a service, and how the mesh took it; times are milliseconds. */
export interface Verdict {
  title: string
  /** From the fault until nothing more was sent there. */
  ejectedAfter: number | undefined
  /** From the moment it worked again until its first answer. */
  answeredAfter: number | undefined
  retries: number
  calls: number
  tries: number
  lost: number
}

/** How a line of narration is to be understood. */
export type Tone = 'plain' | 'bad' | 'mesh' | 'good'

export interface Stage {
  mesh: Mesh
  traffic: Traffic
  services: readonly Service[]
  tell(tone: Tone, text: string): void
  /** Shown as the heading until the next one. */
  heading(text: string): void
  /** Shown beside a service; undefined when nothing is wrong with it. */
  mark(service: Service, trouble: string | undefined): void
}

interface Act {
  /** What is done to the service, as the summary names it. */
  title: string
  trouble: string
  broken: string
  healed: string
  break(service: Service): unknown
  heal(service: Service): Promise<void>
}

const ACTS: readonly Act[] = [
  {
    title: 'killed (SIGKILL)',
    trouble: 'dead',
    broken: 'is killed (SIGKILL): its port refuses connections',
    healed: 'is started again on the same port',
    break: (service) => service.kill(),
    heal: (service) => service.start(),
  },
  {
    title: 'answers 503',
    trouble: 'answers 503',
    broken: 'now answers 503 to everything',
    healed: 'answers 200 again',
    break: (service) => service.behave('503'),
    heal: (service) => service.behave('ok'),
  },
  {
    title: 'hangs',
    trouble: 'hangs',
    broken: 'now hangs: it accepts calls and never answers',
    healed: 'no longer hangs',
    break: (service) => service.behave('hang'),
    heal: (service) => service.behave('ok'),
  },
]

/** Plays the three acts, one after the other, and tells what each came to. */
export async function play(stage: Stage): Promise<Verdict[]> {
  const { services } = stage
  stage.heading('All is well')
  stage.tell('plain', 'three services are up, calls spread evenly over them')
  await wait(CALM_FIRST_MS)
  const verdicts: Verdict[] = []
  for (const [index, act] of ACTS.entries()) {
    const service = services[(index + 1) % services.length] as Service
    stage.heading(`Act ${index + 1} of ${ACTS.length}: ${service.name} ${act.trouble === 'dead' ? 'is killed' : act.trouble}`)
    verdicts.push(await perform(act, service, stage))
  }
  stage.heading('All is well again')
  return verdicts
}

async function perform(act: Act, service: Service, stage: Stage): Promise<Verdict> {
  const { mesh, traffic, tell } = stage
  const { name, address } = service
  const before = counts(mesh, traffic)
  const ejected = nextEvent(mesh, 'endpointEjected', address)
  const stopWatching = tellFirstRetry(mesh, service, tell)

  await act.break(service)
  const brokenAt = performance.now()
  stage.mark(service, act.trouble)
  tell('bad', `${name} ${act.broken}`)
  const ejection = await ejected
  const ejectedAfter = ejection === undefined ? undefined : ejection.at - brokenAt
  if (ejection === undefined) tell('bad', `${name} was not ejected`)
  else {
    const { reason, forMs } = ejection.payload
    tell('mesh', `${name} is ejected for ${forMs / 1_000} s, ${ms(ejectedAfter)} after the fault: ${reason}`)
  }
  await wait(BROKEN_FOR_MS)
  stopWatching()

  const restored = nextEvent(mesh, 'endpointRestored', address)
  await act.heal(service)
  const healedAt = performance.now()
  const answer = firstAnswer(traffic, name)
  stage.mark(service, undefined)
  tell('plain', `${name} ${act.healed}`)
  if ((await restored) !== undefined) tell('mesh', `${name} is back in the balancer: its ejection is over`)
  const answeredAt = await answer
  const answeredAfter = answeredAt === undefined ? undefined : answeredAt - healedAt
  if (answeredAfter !== undefined) tell('good', `${name} takes calls again, ${ms(answeredAfter)} after it came back`)
  await wait(CALM_AFTER_MS)

  const after = counts(mesh, traffic)
  const lost = after.lost - before.lost
  const retries = after.retries - before.retries
  const calls = after.calls - before.calls
  tell(lost === 0 ? 'good' : 'bad', `${calls} calls, ${retries} tried again, ${lost === 0 ? 'none' : lost} lost`)
  return {
    title: `${name} ${act.title}`,
    ejectedAfter,
    answeredAfter,
    retries,
    calls,
    tries: after.tries - before.tries,
    lost,
  }
}

/** What a try met, in words, where no status says it. */
const MET: Partial<Record<FailureKind, string>> = {
  timeout: 'got no answer in time from',
  connect: 'could not reach',
}

/** One line for the first retry of an act; the counter shows the rest. */
function tellFirstRetry(mesh: Mesh, service: Service, tell: Stage['tell']): () => void {
  const stop = mesh.on('retry', ({ endpoint, status, kind, movedOn }) => {
    if (endpoint !== service.address) return
    stop()
    const met = status > 0 ? `got ${status} from` : (MET[kind ?? 'reset'] ?? 'lost its connection to')
    const because = movedOn ? 'nothing was sent, so it moves on' : 'it is safe to repeat, so it goes elsewhere'
    tell('mesh', `a call ${met} ${service.name}: ${because}`)
  })
  return stop
}

type EndpointEvent = 'endpointEjected' | 'endpointRestored'

/** The next such event of one endpoint, or undefined when it does not come. */
function nextEvent<Name extends EndpointEvent>(
  mesh: Mesh,
  event: Name,
  address: string,
): Promise<{ at: number; payload: MeshEvents[Name] } | undefined> {
  return new Promise((resolve) => {
    const end = (result: { at: number; payload: MeshEvents[Name] } | undefined): void => {
      clearTimeout(timer)
      stop()
      resolve(result)
    }
    const stop = mesh.on(event, (payload) => {
      if (payload.endpoint === address) end({ at: performance.now(), payload })
    })
    const timer = setTimeout(() => end(undefined), PATIENCE_MS)
  })
}

function firstAnswer(traffic: Traffic, name: string): Promise<number | undefined> {
  return new Promise((resolve) => {
    const end = (at: number | undefined): void => {
      clearTimeout(timer)
      traffic.answered = () => {}
      resolve(at)
    }
    const timer = setTimeout(() => end(undefined), PATIENCE_MS)
    traffic.answered = (service) => {
      if (service === name) end(performance.now())
    }
  })
}

function counts(mesh: Mesh, traffic: Traffic): { calls: number; tries: number; retries: number; lost: number } {
  const { calls, tries, retries, movedOn } = mesh.stats().services['orders'] as ServiceStats
  return { calls, tries, retries: retries + movedOn, lost: traffic.lost }
}

/** Milliseconds as a person reads them. */
export function ms(value: number | undefined): string {
  if (value === undefined) return 'never'
  return value < 995 ? `${Math.round(value)} ms` : `${(value / 1_000).toFixed(1)} s`
}
