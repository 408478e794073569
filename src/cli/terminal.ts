/** Where a command speaks. */
export interface Terminal {
  readonly out: Output
  readonly err: Output
}

/** One of the two streams; with a terminal behind it, it takes colours. */
export interface Output {
  write(text: string): void
  paint(style: Style, text: string): string
}

const CODES = { bold: [1, 22], dim: [2, 22], red: [31, 39], green: [32, 39], yellow: [33, 39], cyan: [36, 39] } as const

export type Style = keyof typeof CODES

/** Paints where somebody looks: in a terminal, unless `NO_COLOR` (https://no-color.org) or `TERM=dumb` forbids it. */
export function terminalOutput(
  stream: { write(text: string): unknown; readonly isTTY?: boolean },
  environment: Readonly<Record<string, string | undefined>>,
): Output {
  const colours = stream.isTTY === true && (environment['NO_COLOR'] ?? '') === '' && environment['TERM'] !== 'dumb'
  return {
    write: (text) => {
      stream.write(text)
    },
    paint: (style, text) => (colours ? `\u001b[${CODES[style][0]}m${text}\u001b[${CODES[style][1]}m` : text),
  }
}
