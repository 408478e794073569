/** A path as it stands before a problem: `services.orders.endpoints[1].weight`, `services["a b"]`. */
export function pathText(path: readonly PropertyKey[]): string {
  return path.reduce<string>((sofar, key) => {
    if (typeof key === 'number') return `${sofar}[${key}]`
    const name = String(key)
    if (!/^[\w-]+$/.test(name)) return `${sofar}[${JSON.stringify(name)}]`
    return sofar === '' ? name : `${sofar}.${name}`
  }, '')
}

/** One thing that is wrong, and where. */
export interface Problem {
  readonly path: readonly PropertyKey[]
  readonly message: string
}

/** `services.orders.timeout: expected …`. */
export function problemText({ path, message }: Problem): string {
  return path.length === 0 ? message : `${pathText(path)}: ${message}`
}
