/**
 * A module of Node, loaded when it is first needed: importing inmesh must not pay for servers and agents that nobody asked for, and
 * what asks for them cannot wait for an `import()`. Bundlers leave it alone. Also for those that every process has: an import statement
 * reads all that a module offers, so `node:fs` brings streams and promises along, and `node:util` a parser of arguments.
 */
export function builtinModule<Name extends keyof Builtins>(name: Name): Builtins[Name] {
  return globalThis.process.getBuiltinModule(name) as Builtins[Name]
}

interface Builtins {
  'node:buffer': typeof import('node:buffer')
  'node:crypto': typeof import('node:crypto')
  'node:dns': typeof import('node:dns')
  'node:fs': typeof import('node:fs')
  'node:fs/promises': typeof import('node:fs/promises')
  'node:http': typeof import('node:http')
  'node:https': typeof import('node:https')
  'node:http2': typeof import('node:http2')
  'node:net': typeof import('node:net')
  'node:os': typeof import('node:os')
  'node:stream': typeof import('node:stream')
  'node:tls': typeof import('node:tls')
  'node:util': typeof import('node:util')
  'node:zlib': typeof import('node:zlib')
}
