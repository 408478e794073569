import { EJECT_FOR_MS, ms, type Verdict } from './acts.ts'
import { pad, paintFor, wrap } from './paint.ts'
import type { Traffic } from './traffic.ts'

/** What it all came to: one line for the calls, one for each fault. */
export function summary(stream: NodeJS.WriteStream, traffic: Traffic, verdicts: readonly Verdict[]): string {
  const { bold, dim, green, red } = paintFor(stream)
  const { gets, posts } = traffic
  const lost = (count: number): string => (count === 0 ? green('none lost') : red(`${count} lost`))
  const columns = stream.isTTY === true ? Math.max(20, stream.columns ?? 80) : 160
  const narrow = columns < 94
  const lines = [
    '',
    bold('What happened'),
    `${traffic.sent} calls through the mesh`,
    `  ${gets.sent} GET: ${lost(gets.lost)}`,
    `  ${posts.sent} POST with an Idempotency-Key: ${lost(posts.lost)}`,
    ...(traffic.firstLoss === undefined ? [] : [red(`the first that was lost: ${traffic.firstLoss}`)]),
    '',
  ]
  if (narrow) {
    for (const each of verdicts) {
      lines.push(bold(each.title))
      lines.push(`  ejected after ${ms(each.ejectedAfter)}`, `  answered after ${ms(each.answeredAfter)}`)
      lines.push(`  ${each.retries} tried again, ${amplification(each)} tries per call`)
    }
  } else {
    const line = (cells: readonly string[]): string => cells.map((cell, index) => pad(cell, [28, 16, 18, 14, 0][index] as number)).join('')
    lines.push(dim(line(['fault', 'ejected after', 'answered after', 'tried again', 'tries per call'])))
    for (const each of verdicts) {
      lines.push(line([each.title, ms(each.ejectedAfter), ms(each.answeredAfter), String(each.retries), amplification(each)]))
    }
  }
  const notes = [
    'ejected after: from the fault until no more calls went there',
    'answered after: from the moment it worked again until its first answer, ' +
      `what was left of its ${EJECT_FOR_MS / 1_000} s ejection included`,
  ]
  lines.push('', ...notes.flatMap((note) => wrap(note, columns - 1)).map(dim), '')
  return `${lines.join('\n')}\n`
}

function amplification({ tries, calls }: Verdict): string {
  return calls === 0 ? '-' : (tries / calls).toFixed(3)
}
