import { outage } from '../outage.mjs'

/** Every process is killed: connects are refused. */
export function run() {
  return outage((service) => service.kill())
}
