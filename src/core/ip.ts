import { builtinModule } from './builtin-module.ts'

/** 4 or 6 for an IP address, 0 for any other text; as `node:net` says, which is loaded when somebody asks. */
export function isIP(text: string): number {
  return builtinModule('node:net').isIP(text)
}

/** Whether `text` is an IPv6 address. */
export function isIPv6(text: string): boolean {
  return builtinModule('node:net').isIPv6(text)
}
