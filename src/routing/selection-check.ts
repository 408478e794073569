import type { NamedSubsetSettings, SelectionSettings } from '../model/subsets.ts'

/** Whether a selection that somebody else's source made can be followed. */
export function isSelection(written: SelectionSettings): boolean {
  const { subset, metadata, otherwise } = written
  const steps: unknown = otherwise
  return (
    (subset === undefined || typeof subset === 'string') &&
    (metadata === undefined || isMetadata(metadata)) &&
    (steps === undefined || (Array.isArray(steps) && steps.every((step: unknown) => isObject(step) && isSelection(step))))
  )
}

/** The same of the subsets of a service. */
export function areSubsets(written: unknown): boolean {
  if (!isObject(written)) return false
  return Object.values(written as Record<string, NamedSubsetSettings>).every(
    (each) => isObject(each) && isMetadata(each.metadata) && Array.isArray(each.otherwise) && isSelection({ otherwise: each.otherwise }),
  )
}

function isMetadata(value: unknown): boolean {
  return isObject(value) && Object.values(value).every((each) => typeof each === 'string')
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
