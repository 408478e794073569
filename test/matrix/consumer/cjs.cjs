const inmesh = require('inmesh')

import('./call.mjs').then(({ call }) => call(inmesh, process.argv[2]))
