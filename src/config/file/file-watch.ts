import type { Clock, Timer } from '../../core/clock.ts'
import { Quiet } from '../../core/watch/quiet.ts'
import { watchPoints } from '../../core/watch/watch-points.ts'
import { Watchers } from '../../core/watch/watchers.ts'
import type { Rejection, Sink } from '../../model/source.ts'
import { unfoldAuthorization, unfoldRoutes, unfoldServices } from '../short-form.ts'
import { isConfigName, type NamedPath } from './list-files.ts'
import type { Judgement, Merged } from './merge-documents.ts'
import { type FileProblem, fileProblemText } from './problem.ts'
import { type FileContents, parseContents, readContents } from './read-configuration.ts'

/** Silence that ends a change, and the longest that one is waited for when somebody never stops writing. */
const QUIET_MS = 20
const AT_MOST_MS = 1_000
/** What is wrong must still be wrong after this long: editors take a file away for a moment, writers empty it first. */
const SECOND_LOOK_MS = 100

/** What a watch works with. */
export interface FileWatchOptions extends Judgement {
  readonly paths: readonly NamedPath[]
  readonly pollMs: number
  readonly clock: Clock
}

/**
 * One watch over a set of files, for one mesh. Looks at the start, when the platform tells of a change, and from time to time;
 * delivers what is new and valid, and tells what is wrong once. At most one look is under way.
 */
export class FileWatch {
  private readonly options: FileWatchOptions
  private readonly sink: Sink
  private readonly clock: Clock
  private readonly quiet: Quiet
  private readonly watchers: Watchers
  private poll: Timer | undefined = undefined
  private looking: Promise<void> | undefined = undefined
  private stopped = false
  /** Grows with every sign of a change. */
  private changes = 0
  /** When the signs of a change began that no look has caught up with. */
  private unrestSince: number | undefined = undefined
  /** Version that was delivered or told last. */
  private handled: string | undefined = undefined
  /** What was found wrong once. */
  private suspect: { readonly version: string; readonly problems: readonly FileProblem[] } | undefined = undefined
  private inForce = false

  constructor(options: FileWatchOptions, sink: Sink) {
    this.options = options
    this.sink = sink
    this.clock = options.clock
    this.quiet = new Quiet(options.clock, () => this.look(), { quietMs: QUIET_MS, atMostMs: AT_MOST_MS })
    this.watchers = new Watchers(() => this.noteChange())
  }

  start(): void {
    this.look()
  }

  /** Releases every handle; resolves when the look that was under way has ended too. */
  async stop(): Promise<void> {
    this.stopped = true
    this.quiet.cancel()
    this.poll?.cancel()
    this.watchers.close()
    await this.looking
  }

  private noteChange(): void {
    if (this.stopped) return
    this.changes++
    this.unrestSince ??= this.clock.now()
    this.quiet.signal()
  }

  private look(): void {
    // The one under way sees that something changed, and is followed by another.
    if (this.stopped || this.looking !== undefined) return
    this.poll?.cancel()
    this.looking = this.lookOnce()
      .catch((error: unknown) => this.sink.failed(error))
      .then((again) => {
        this.looking = undefined
        if (this.stopped) return
        if (again === 'soon') this.quiet.signal()
        this.poll = this.clock.setTimer(() => this.look(), again === 'later' ? SECOND_LOOK_MS : this.options.pollMs)
        this.poll.unref()
      })
  }

  /** @returns `soon`: it changed meanwhile; `later`: what was found wrong wants a second look */
  private async lookOnce(): Promise<'soon' | 'later' | undefined> {
    const { paths } = this.options
    const before = this.changes
    // First the watches, then the content: what changes in between is seen.
    const points = await watchPoints(
      paths.map(({ absolute }) => absolute),
      isConfigName,
    )
    if (this.stopped) return undefined
    this.watchers.set(points)
    const contents = await readContents(paths)
    if (contents.version === this.handled) {
      this.suspect = undefined
      if (before === this.changes) this.unrestSince = undefined
      return before === this.changes ? undefined : 'soon'
    }
    const suspect = this.suspect?.version === contents.version ? this.suspect : undefined
    const read = suspect === undefined ? await parseContents(contents, this.options, this.clock) : undefined
    const problems = (read ?? suspect)?.problems ?? []
    if (this.stopped) return undefined
    // Files that changed while they were read may be half of one version and half of the next.
    if (before !== this.changes && this.clock.now() - (this.unrestSince ?? 0) < AT_MOST_MS) return 'soon'
    this.unrestSince = undefined
    if (read !== undefined && read.services === undefined) {
      this.suspect = { version: contents.version, problems }
      return 'later'
    }
    this.suspect = undefined
    this.handled = contents.version
    if (read === undefined) this.tell(problems)
    else this.deliver(contents, read)
    return before === this.changes ? undefined : 'soon'
  }

  private deliver({ version }: FileContents, { services = new Map(), authorization, routes, places }: Merged): void {
    this.inForce = true
    const { namespace } = this.options
    const upserts = [
      ...unfoldServices(services, namespace, (name) => places.services.get(name)),
      ...unfoldRoutes(routes, namespace, (route) => places.routes.get(route)),
      ...unfoldAuthorization(authorization, namespace, (policy) => places.authorization.get(policy)),
    ]
    this.sink.update({ version, upserts, removals: [], complete: true })
  }

  private tell(problems: readonly FileProblem[]): void {
    const unreadable = problems.filter(({ kind }) => kind === 'unreadable')
    const rejections = rejectionsOf(
      problems.filter(({ kind }) => kind !== 'unreadable'),
      this.options.namespace,
    )
    if (rejections.length > 0) this.sink.rejected(rejections)
    // With nothing in force a file that cannot be taken is as good as none: calls and `ready` must not wait for more.
    const failures = this.inForce ? unreadable : problems
    if (failures.length > 0) this.sink.failed(new Error(failures.map(fileProblemText).join('\n')))
  }
}

/** One rejection per file: a document is taken whole or not at all. */
function rejectionsOf(problems: readonly FileProblem[], namespace: string): Rejection[] {
  const byFile = new Map<string, FileProblem[]>()
  for (const problem of problems) byFile.set(problem.file, [...(byFile.get(problem.file) ?? []), problem])
  return [...byFile].map(([name, found]) => ({
    kind: 'document',
    namespace,
    name,
    problems: found.map(fileProblemText),
    reason: found.every(({ kind }) => kind === 'empty') ? 'empty' : 'invalid',
  }))
}
