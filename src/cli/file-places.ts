import type { Configuration } from '../config/file/read-configuration.ts'
import { Places } from '../config/places.ts'
import { unfoldRoutes, unfoldServices } from '../config/short-form.ts'
import { resourceKey } from '../model/resources.ts'

/** What a mesh that got the content of files as its options cannot know: which file each resource is from, and where it stands there. */
export class FilePlaces {
  private readonly files = new Map<string, string>()
  private readonly places: Places

  constructor({ services = new Map(), routes, places }: Configuration, namespace: string) {
    const resources = [
      ...unfoldServices(services, namespace, (name) => places.services.get(name)),
      ...unfoldRoutes(routes, namespace, (route) => places.routes.get(route)),
    ]
    const byKey = new Map(resources.map((resource) => [resourceKey(resource), resource]))
    this.places = new Places((source, key) => (this.files.get(key) === source ? byKey.get(key) : undefined))
    for (const [key, resource] of byKey) {
      const { place = '' } = resource
      const source = `file:${place.replace(/:\d+:\d+$/, '')}`
      this.files.set(key, source)
      this.places.note(source, resource)
    }
  }

  /** `file:mesh.yaml/service/default/orders` for `options/service/default/orders`, as `fileSource` would say. */
  rename(from: string): string {
    const [, rest, key = ''] = /^options\/(([^/]+\/[^/]*\/[^#]*).*)$/s.exec(from) ?? []
    const source = this.files.get(key)
    return rest === undefined || source === undefined ? from : `${source}/${rest}`
  }

  /** `mesh.yaml:2:3` for what that gives. */
  readonly placeOf = (from: string): string | undefined => this.places.of(from)
}
