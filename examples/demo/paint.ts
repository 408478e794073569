/** Wraps text in a colour or style; without colours it gives the text back. */
export type Paint = Record<'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan', (text: string) => string>

const CODES: Record<keyof Paint, readonly [number, number]> = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
}

/** Colours where they are wanted: on a terminal, unless NO_COLOR is set (https://no-color.org). */
export function paintFor(stream: NodeJS.WriteStream): Paint {
  const wanted = stream.isTTY === true && !process.env['NO_COLOR'] && process.env['TERM'] !== 'dumb'
  const style = (name: keyof Paint) => {
    const [on, off] = CODES[name]
    return (text: string): string => (wanted && text !== '' ? `\x1b[${on}m${text}\x1b[${off}m` : text)
  }
  return {
    bold: style('bold'),
    dim: style('dim'),
    red: style('red'),
    green: style('green'),
    yellow: style('yellow'),
    cyan: style('cyan'),
  }
}

/** The sequences that paintFor writes. */
const STYLES = new RegExp('(\\x1b\\[\\d+m)', 'g')

/** Columns that `text` takes on screen. */
export function width(text: string): number {
  return text.replace(STYLES, '').length
}

/** Fills up with spaces to `columns`. */
export function pad(text: string, columns: number): string {
  return text + ' '.repeat(Math.max(0, columns - width(text)))
}

/** Cuts to `columns`, so that no line ever wraps; styles are closed again. */
export function cut(text: string, columns: number): string {
  if (width(text) <= columns) return text
  let kept = ''
  let room = Math.max(0, columns - 1)
  for (const piece of text.split(STYLES)) {
    if (piece.startsWith('\x1b')) kept += piece
    else {
      kept += piece.slice(0, room)
      room -= Math.min(room, piece.length)
    }
  }
  return `${kept}…`
}

/** Breaks a sentence into lines of at most `columns`. */
export function wrap(text: string, columns: number): string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const last = lines.at(-1)
    if (last === undefined || last.length + 1 + word.length > columns) lines.push(word)
    else lines[lines.length - 1] = `${last} ${word}`
  }
  return lines
}

const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉']

/** A horizontal bar of `share` (0 to 1) of `columns`, exact to an eighth of a column. */
export function bar(share: number, columns: number): string {
  const eighths = Math.round(Math.min(1, Math.max(0, share)) * columns * 8)
  return '█'.repeat(eighths >> 3) + EIGHTHS[eighths & 7]
}

const HEIGHTS = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█']

/** One character for `share` (0 to 1), a dot for nothing at all. */
export function column(share: number): string {
  if (share <= 0) return '·'
  return HEIGHTS[Math.min(HEIGHTS.length - 1, Math.floor(share * HEIGHTS.length))] as string
}
