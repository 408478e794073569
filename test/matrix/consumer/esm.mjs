import * as inmesh from 'inmesh'
import { call } from './call.mjs'

call(inmesh, process.argv[2])
