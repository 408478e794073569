import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

function newest(path) {
  const stat = statSync(path, { throwIfNoEntry: false })
  if (stat === undefined) return 0
  if (!stat.isDirectory()) return stat.mtimeMs
  return Math.max(0, ...readdirSync(path).map((entry) => newest(join(path, entry))))
}

/**
 * Whether the file `output` exists and nothing below `inputs` is newer. Run from the root of the repository.
 * @param {string} output
 * @param {readonly string[]} inputs
 * @returns {boolean}
 */
export function isFresh(output, inputs) {
  const built = statSync(output, { throwIfNoEntry: false })
  return built !== undefined && inputs.every((input) => newest(input) <= built.mtimeMs)
}
