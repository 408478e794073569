import { ms, type Tone } from './acts.ts'
import { bar, column, cut, type Paint, pad, paintFor, width, wrap } from './paint.ts'
import type { Row, Scene } from './scene.ts'

/** Where the demo shows what happens. */
export interface View {
  /** How often `draw` should be called. */
  readonly everyMs: number
  /** One line of narration. */
  tell(elapsedMs: number, tone: Tone, text: string): void
  draw(scene: Scene): void
  /** Leaves the terminal as it was found; may be called again. */
  end(): void
}

const HIDE_CURSOR = '\x1b[?25l'
const SHOW_CURSOR = '\x1b[?25h'
const CLEAR_REST_OF_LINE = '\x1b[K'
const CLEAR_BELOW = '\x1b[J'
/** A bar of full length: what one endpoint of three gets while another is out, and some room. */
const FULL_RATE = 60
const WIDEST = 110

/** A view that redraws itself on a terminal, plain lines everywhere else. */
export function viewFor(stream: NodeJS.WriteStream): View {
  return stream.isTTY === true && process.env['TERM'] !== 'dumb' ? new LiveView(stream) : new LineView(stream)
}

/** What is going on, in the first sentence anybody reads. */
export function intro(stream: NodeJS.WriteStream, text: readonly string[]): void {
  const { bold } = paintFor(stream)
  const [first = '', ...more] = text
  const columns = stream.isTTY === true ? Math.max(20, Math.min(stream.columns ?? 80, WIDEST) - 2) : WIDEST
  const opening = wrap(first, columns).map(bold)
  const rest = more.flatMap((line) => wrap(line, columns))
  stream.write(`\n${[...opening, ...rest].join('\n')}\n\n`)
}

class LineView implements View {
  readonly everyMs = 2_000
  private readonly stream: NodeJS.WriteStream

  constructor(stream: NodeJS.WriteStream) {
    this.stream = stream
  }

  tell(elapsedMs: number, _: Tone, text: string): void {
    this.stream.write(`${clock(elapsedMs)}  ${text}\n`)
  }

  draw({ elapsedMs, rows, sent, lost, retries, breaker, p50, p99 }: Scene): void {
    const shares = rows.map(({ name, rate, ejected, ejectedForMs }) =>
      ejected ? `${name} ejected (${(ejectedForMs / 1_000).toFixed(1)} s left)` : `${name} ${Math.round(rate)}/s`,
    )
    const totals = `${sent} calls, ${lost} lost, ${retries} tried again, breaker ${breaker}`
    const latency = `p50 ${ms(p50)}, p99 ${ms(p99)}`
    this.stream.write(`${clock(elapsedMs)}  | ${shares.join(' | ')} | ${totals}, ${latency}\n`)
  }

  end(): void {}
}

class LiveView implements View {
  readonly everyMs = 125
  private readonly stream: NodeJS.WriteStream
  private readonly paint: Paint
  private readonly log: { elapsedMs: number; tone: Tone; text: string }[] = []
  private lines = 0
  private ended = false
  private last: Scene | undefined = undefined
  private readonly resized = (): void => {
    // Lines that the terminal wrapped anew cannot be counted: begin again on an empty screen.
    this.stream.write('\x1b[2J\x1b[H')
    this.lines = 0
    if (this.last !== undefined) this.draw(this.last)
  }

  constructor(stream: NodeJS.WriteStream) {
    this.stream = stream
    this.paint = paintFor(stream)
    stream.on('resize', this.resized)
    stream.write(HIDE_CURSOR)
  }

  tell(elapsedMs: number, tone: Tone, text: string): void {
    this.log.push({ elapsedMs, tone, text })
    if (this.last !== undefined) this.draw(this.last)
  }

  draw(scene: Scene): void {
    if (this.ended) return
    this.last = scene
    const columns = Math.max(20, Math.min(this.stream.columns || 80, WIDEST) - 1)
    const head = [
      ...this.heading(scene, columns),
      ...scene.rows.map((row) => this.row(row, columns)),
      '',
      ...this.totals(scene, columns),
      '',
    ]
    const room = Math.max(1, (this.stream.rows || 24) - head.length - 2)
    const lines = [...head, ...this.narration(columns).slice(-Math.min(room, 14))]
    const up = this.lines > 0 ? `\x1b[${this.lines}A\r` : ''
    this.lines = lines.length
    this.stream.write(`${up}${lines.map((line) => cut(line, columns) + CLEAR_REST_OF_LINE).join('\n')}\n${CLEAR_BELOW}`)
  }

  end(): void {
    if (this.ended) return
    this.ended = true
    this.stream.off('resize', this.resized)
    this.stream.write(SHOW_CURSOR)
  }

  private heading({ heading, elapsedMs }: Scene, columns: number): string[] {
    const { bold, dim } = this.paint
    const time = clock(elapsedMs)
    const title = cut(heading, Math.max(8, columns - time.length - 2))
    return [pad(bold(title), columns - time.length) + dim(time), dim('─'.repeat(columns))]
  }

  /** name, address, state, bar, rate and, where there is room, the past half minute. */
  private row(row: Row, columns: number): string {
    const { dim, red, green, yellow } = this.paint
    const wide = columns >= 76
    const sign = row.ejected ? red('○') : row.trouble === undefined ? green('●') : yellow('●')
    const address = wide ? dim(pad(row.address, 17)) : ''
    const left = `${sign} ${pad(row.name, 10)}${address}${pad(this.state(row, wide), wide ? 28 : 15)}`
    const rate = `${String(Math.round(row.rate)).padStart(3)}/s`
    const room = columns - width(left) - rate.length - 1
    const timelineRoom = room >= 40 ? Math.min(48, room - 26) : 0
    const barRoom = Math.max(0, room - timelineRoom - (timelineRoom > 0 ? 2 : 0))
    const failing = bar(Math.min(row.failing, row.rate) / FULL_RATE, barRoom)
    const fine = bar(Math.max(0, row.rate - row.failing) / FULL_RATE, Math.max(0, barRoom - failing.length))
    const drawn = pad(green(fine) + red(failing), barRoom)
    const past = row.timeline
      .slice(-timelineRoom)
      .map((rate_) => column(rate_ / FULL_RATE))
      .join('')
    return `${left}${drawn} ${rate}${timelineRoom > 0 ? `  ${dim(past.padStart(timelineRoom))}` : ''}`
  }

  private state({ ejected, ejectedForMs, trouble }: Row, wide: boolean): string {
    const { red, green, yellow, dim } = this.paint
    if (ejected) {
      const why = wide ? dim(` (${trouble ?? 'well again'})`) : ''
      return red(`ejected ${(ejectedForMs / 1_000).toFixed(1)} s`) + why
    }
    return trouble === undefined ? green('in use') : yellow(trouble)
  }

  private narration(columns: number): string[] {
    const { red, green, cyan, dim } = this.paint
    const signs = { plain: dim('·'), bad: red('✗'), mesh: cyan('→'), good: green('✓') }
    return this.log.slice(-14).flatMap(({ elapsedMs, tone, text }) => {
      const start = clock(elapsedMs)
      return wrap(text, columns - start.length - 4).map((line, index) => {
        const lead = index === 0 ? `${dim(start)}  ${signs[tone]} ` : ' '.repeat(start.length + 4)
        return lead + (tone === 'bad' ? red(line) : line)
      })
    })
  }

  private totals({ sent, lost, retries, breaker, p50, p99 }: Scene, columns: number): string[] {
    const { bold, red, green, yellow, dim } = this.paint
    const state = breaker === 'closed' ? green(breaker) : yellow(breaker)
    const facts = [
      `${dim('calls')} ${bold(String(sent))}`,
      `${dim('lost')} ${lost === 0 ? green('0') : red(String(lost))}`,
      `${dim('tried again')} ${retries}`,
      `${dim('breaker')} ${state}`,
      `${dim('p50')} ${ms(p50)}`,
      `${dim('p99')} ${ms(p99)}`,
    ]
    const lines: string[] = []
    for (const fact of facts) {
      const last = lines.at(-1)
      if (last === undefined || width(last) + 3 + width(fact) > columns) lines.push(fact)
      else lines[lines.length - 1] = `${last}   ${fact}`
    }
    return lines
  }
}

function clock(elapsedMs: number): string {
  return `${(elapsedMs / 1_000).toFixed(1).padStart(4)} s`
}
