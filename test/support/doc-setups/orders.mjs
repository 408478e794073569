// Three instances of an orders service on loopback, for blocks in the docs that call one.
import { bind, serve } from '../doc-server.mjs'

bind(await Promise.all([serve(), serve(), serve()]))
