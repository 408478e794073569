/** Why a stream broke, in the words of RFC 9113 §7. */
export class StreamError extends Error {
  readonly code = 'ERR_HTTP2_STREAM_ERROR'
  /** The code of the server's RST_STREAM; 0 where there was none. */
  readonly http2Code: number

  /** @param lastStream what the server's GOAWAY named, where one came */
  constructor(lastStream: number | undefined, http2Code: number, cause: unknown) {
    super(reasonOf(lastStream, http2Code, cause), { cause })
    this.name = 'StreamError'
    this.http2Code = http2Code
  }
}

function reasonOf(lastStream: number | undefined, code: number, cause: unknown): string {
  const message = cause instanceof Error ? cause.message : ''
  if (cause instanceof Error && !message.startsWith('Stream closed')) return message
  if (lastStream !== undefined && code === REFUSED_STREAM) return 'the server is going away and had not begun with it (GOAWAY)'
  if (code === 0) return 'the stream was closed before the answer was complete'
  return `the server reset the stream (${NAMES[code] ?? `code ${code}`})`
}

const REFUSED_STREAM = 7
const NAMES: readonly string[] = [
  'NO_ERROR',
  'PROTOCOL_ERROR',
  'INTERNAL_ERROR',
  'FLOW_CONTROL_ERROR',
  'SETTINGS_TIMEOUT',
  'STREAM_CLOSED',
  'FRAME_SIZE_ERROR',
  'REFUSED_STREAM',
  'CANCEL',
  'COMPRESSION_ERROR',
  'CONNECT_ERROR',
  'ENHANCE_YOUR_CALM',
  'INADEQUATE_SECURITY',
  'HTTP_1_1_REQUIRED',
]
