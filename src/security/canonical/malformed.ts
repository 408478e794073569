import type { Refusal } from '../../core/gate.ts'

/** A request that cannot be read in one way only is answered 400: whoever guesses may guess otherwise than the application. */
function malformed(reason: string, status = 400): Refusal {
  return Object.freeze({ refused: true, code: 'MESH_PROTOCOL', status, reason })
}

/** Everything that a request may be refused for before anybody looks at what it wants; each made once. */
export const MALFORMED = Object.freeze({
  target: malformed('the request target is neither a path, an absolute URL, nor what its method takes'),
  fragment: malformed('the request target has a fragment'),
  control: malformed('the request target has a control character'),
  escape: malformed('the path has an invalid percent escape'),
  encoding: malformed('the path is not UTF-8'),
  escapedSlash: malformed('the path has an escaped slash or a backslash'),
  escapedTwice: malformed('the path has a slash, a dot or a NUL that is escaped twice'),
  hiddenDots: malformed('the path has dots beside an escaped slash'),
  parameters: malformed('the path has a parameter behind a semicolon'),
  routed: malformed('the path was not canonical, and the framework has already routed it'),
  noHost: malformed('the request has no Host'),
  host: malformed('the Host is not a host, with or without a port'),
  duplicate: malformed('a header that may be there once is there twice'),
  authority: malformed('the request target and the Host name different hosts'),
  clientCertificate: malformed('the proxy forwards a client certificate in a form that cannot be read'),
  underscore: malformed('a header name has an underscore'),
  tooMany: malformed('the request has too many headers', 431),
  tooLarge: malformed('the headers are too large', 431),
})
