import { outage } from '../outage.mjs'

/** Every service answers 503; they count the requests themselves. */
export function run() {
  return outage((service) => service.behave('503'))
}
