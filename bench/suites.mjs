// What is compared with what: a suite is one run of one client process, in which all its subjects take turns.

/** The documented promises, and what they are measured against. */
export const SUITES = [
  {
    name: 'small',
    what: '128 bytes, one endpoint',
    endpoints: 1,
    concurrency: 50,
    pairs: [
      ['dispatch mesh', 'dispatch bare'],
      ['request mesh', 'request bare'],
      ['fetch mesh text', 'fetch bare text'],
      ['fetch mesh json', 'fetch bare json'],
      ['fetch mesh text', 'request bare'],
    ],
  },
  {
    name: 'hundred',
    what: "128 bytes, 100 endpoints; replayed: the mesh's picks by a bare loop",
    endpoints: 100,
    concurrency: 50,
    pairs: [
      ['dispatch mesh', 'dispatch replayed'],
      ['request mesh', 'request replayed'],
      ['fetch mesh text', 'request replayed'],
      ['fetch mesh text', 'fetch bare text'],
    ],
  },
  {
    name: 'stream',
    what: '128 bytes, read with for await (… of response.body)',
    endpoints: 1,
    concurrency: 50,
    pairs: [['fetch mesh stream', 'fetch bare stream']],
  },
  {
    name: 'crowd',
    what: '128 bytes, concurrency 200',
    endpoints: 1,
    concurrency: 200,
    pairs: [['fetch mesh text', 'fetch bare text']],
  },
  {
    name: 'alone',
    what: '128 bytes, one call at a time: latency',
    endpoints: 1,
    concurrency: 1,
    pairs: [['fetch mesh text', 'request bare']],
  },
  {
    name: 'large',
    what: '64 KiB',
    endpoints: 1,
    concurrency: 50,
    pairs: [['fetch mesh large', 'request bare large']],
  },
  {
    name: 'others',
    what: '128 bytes, against other clients',
    endpoints: 1,
    concurrency: 50,
    pairs: [
      ['fetch mesh text', 'fetch hand-made'],
      ['fetch mesh text', 'got'],
      ['fetch mesh text', 'axios'],
      ['fetch mesh text', 'grpc-js unary'],
      ['request mesh', 'fetch hand-made'],
    ],
  },
  {
    name: 'undici-fetch',
    what: "undici's own fetch, with the mesh as its dispatcher",
    endpoints: 1,
    concurrency: 50,
    pairs: [['undici fetch mesh', 'undici fetch bare']],
  },
]
