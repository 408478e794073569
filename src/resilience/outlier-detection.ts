import type { Described, Description } from '../core/described.ts'
import type { Endpoint, EndpointGroup } from '../core/endpoint.ts'
import type { Outcome } from '../core/outcome.ts'
import { type Random, systemRandom } from '../core/random.ts'
import type { OutlierDetectionSettings } from '../model/outlier-detection.ts'
import { Ejections, type OutlierListener } from './ejections.ts'
import { EnvoyOutliers } from './envoy-outliers.ts'
import { GrpcOutliers } from './grpc-outliers.ts'
import { InmeshOutliers } from './inmesh-outliers.ts'
import type { OutlierAlgorithm } from './outlier-algorithm.ts'

/** Who knows when this process itself was too busy to read what came: a {@link TimerWheel}. */
export interface Stalls {
  readonly stalledUntil: number
}

/**
 * Takes endpoints that fail, or are far slower than the others, out of the balancer for a while, by the rules that the settings name. Every
 * try tells it how it ended; time is looked at when somebody asks for an endpoint, so there is no timer.
 *
 * Where an ejection ends with a probe, one try is enough: a success makes the endpoint whole, a failure ejects it again. Envoy and gRPC let
 * the full traffic in, and find out by as many failures as the first time.
 */
export class OutlierDetector implements Described {
  readonly name = 'outlier-detection'
  readonly section = 'outlierDetection'
  private algorithm: OutlierAlgorithm | undefined = undefined
  private readonly ejections: Ejections
  private readonly listener: OutlierListener
  private readonly stalls: Stalls
  private readonly random: Random
  /** Endpoints came or went since somebody looked. */
  private changed = false

  /**
   * @param stalls silence that overlaps the last stall is held against nobody; without it there are none
   * @param random draws which findings of Envoy's and gRPC's rules are enforced
   */
  constructor(
    settings: OutlierDetectionSettings | false,
    group: EndpointGroup,
    listener: OutlierListener,
    stalls: Stalls = NO_STALLS,
    random: Random = systemRandom,
  ) {
    this.ejections = new Ejections(group, listener)
    this.listener = listener
    this.stalls = stalls
    this.random = random
    if (settings !== false) this.algorithm = this.make(settings)
  }

  describe(): Description {
    const { algorithm, ejections } = this
    if (algorithm === undefined) return { state: 'off', because: 'nobody is ejected' }
    const { ejected, all } = ejections.group
    return { state: `${ejected} of ${all.length} ejected, at most ${algorithm.most}`, because: algorithm.rule }
  }

  /**
   * Applies to the living state: nobody comes back because somebody pushed, unless detection is switched off. Other rules take over the
   * ejections that are in force and how far they have grown; they count answers from now on.
   */
  reconfigure(settings: OutlierDetectionSettings | false, now: number): void {
    if (settings === false) {
      this.algorithm = undefined
      this.restoreAll(now)
    } else if (this.algorithm?.reconfigure(settings, now) !== true) {
      this.algorithm = this.make(settings)
      // Its first interval begins now.
      this.algorithm.restoreDue(now)
    }
  }

  /** Endpoints came or went: one that returns may have an ejection to end. */
  endpointsChanged(): void {
    this.changed = true
    this.algorithm?.endpointsChanged()
  }

  /** @param startedAt clock time at which the try began */
  observe(endpoint: Endpoint, outcome: Outcome, now: number, startedAt = now - outcome.latencyMs): void {
    const { algorithm } = this
    if (outcome.status > 0) endpoint.lostInARow = 0
    if (algorithm === undefined) return
    // Silence that fell into a stall of our own proves nothing; an answer that came says what it says.
    const timed = startedAt >= this.stalls.stalledUntil
    const blamed = timed || outcome.status > 0
    if (endpoint.recovering) this.settleProbe(endpoint, blamed ? outcome.verdict : 'ignored', startedAt, now)
    else if (blamed) algorithm.observe(endpoint, outcome, now, startedAt, timed)
  }

  /**
   * A try lost to its hedge. Whether it is to be waited for all the same until its own time is over, as if there were no hedge: an endpoint
   * that hangs would else never be found out, since what it does not answer is called off each time, and one that is merely slow answers.
   * That is so of one that answered nothing since it lost twice, and of a probe. Tell {@link outwaited} and {@link observe} how it ended.
   */
  lost(endpoint: Endpoint): boolean {
    endpoint.lostInARow++
    if (this.algorithm === undefined || endpoint.outwaited >= MOST_OUTWAITED) return false
    if (endpoint.ejected ? !endpoint.recovering : endpoint.lostInARow < SUSPICIOUS) return false
    endpoint.outwaited++
    return true
  }

  /** A try that had lost, and was waited for, has ended. */
  outwaited(endpoint: Endpoint): void {
    endpoint.outwaited--
  }

  /** The head of an answer came, and is no failure: what a probe waits for, however long the body goes on. */
  answered(endpoint: Endpoint, startedAt: number, now: number): void {
    if (endpoint.recovering) this.settleProbe(endpoint, 'success', startedAt, now)
  }

  /** An active check that began at `startedAt` found `endpoint` in order. */
  checkPassed(endpoint: Endpoint, startedAt: number, now: number): void {
    if (endpoint.ejected && !endpoint.recovering && startedAt >= endpoint.ejectedAt) this.algorithm?.checkPassed(endpoint, now)
  }

  /** Lets those back whose time is over. */
  restoreDue(now: number): void {
    if (this.algorithm !== undefined) this.algorithm.restoreDue(now)
    // With detection switched off, one that was away meanwhile comes back usable.
    else if (this.changed) this.restoreAll(now)
  }

  private make(settings: OutlierDetectionSettings): OutlierAlgorithm {
    const { listener, random } = this
    const { group } = this.ejections
    if (settings.algorithm === 'envoy') return new EnvoyOutliers(settings, group, listener, random)
    if (settings.algorithm === 'grpc') return new GrpcOutliers(settings, group, listener, random)
    return new InmeshOutliers(settings, group, listener)
  }

  private restoreAll(now: number): void {
    this.changed = false
    for (const endpoint of this.ejections.group.all) if (endpoint.ejected) this.ejections.restore(endpoint, now)
  }

  private settleProbe(endpoint: Endpoint, verdict: Outcome['verdict'], startedAt: number, now: number): void {
    // Whatever began since the end of the ejection says as much as the probe: a try that had nowhere else to go, or panic.
    if (startedAt < endpoint.ejectedUntil) return
    if (verdict === 'success') {
      this.ejections.restore(endpoint, now)
      this.algorithm?.restored(endpoint, now)
    } else if (verdict === 'failure') this.algorithm?.ejectAgain(endpoint, now)
    else if (startedAt >= endpoint.probedAt) this.ejections.recover(endpoint)
  }
}

/** Chance alone makes a good endpoint lose so often in a row once in some hundred times; then one more wait is all that comes of it. */
const SUSPICIOUS = 2
/** Each holds a connection; so many failures in a row eject by default. */
const MOST_OUTWAITED = 5
const NO_STALLS: Stalls = Object.freeze({ stalledUntil: Number.NEGATIVE_INFINITY })
