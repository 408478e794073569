import { builtinModule } from './builtin-module.ts'

/** Whether two values are alike through and through. An import of `node:util` would load everything it offers, which an import of inmesh pays. */
export function isDeepStrictEqual(one: unknown, other: unknown): boolean {
  return builtinModule('node:util').isDeepStrictEqual(one, other)
}
