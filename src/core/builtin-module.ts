/**
 * A module of Node, loaded when it is first needed: importing inmesh must not pay for servers and agents that nobody asked for, and
 * what asks for them cannot wait for an `import()`. Bundlers leave it alone.
 */
export function builtinModule<Name extends keyof Builtins>(name: Name): Builtins[Name] {
  return globalThis.process.getBuiltinModule(name) as Builtins[Name]
}

interface Builtins {
  'node:crypto': typeof import('node:crypto')
  'node:dns': typeof import('node:dns')
  'node:http': typeof import('node:http')
  'node:https': typeof import('node:https')
  'node:http2': typeof import('node:http2')
  'node:net': typeof import('node:net')
  'node:tls': typeof import('node:tls')
  'node:zlib': typeof import('node:zlib')
}
