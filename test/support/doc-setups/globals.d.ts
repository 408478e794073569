/** What the setups bind, for the blocks that are compiled with them. */
declare global {
  /** `orders`: the ports of three instances of an orders service on 127.0.0.1. */
  var ordersPorts: number[]
  /** `orders`: the first of them. */
  var ordersPort: number
}

export {}
