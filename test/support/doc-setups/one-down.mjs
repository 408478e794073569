// Three instances of an orders service, the first of which refuses connections.
import { bind, refusing, serve } from '../doc-server.mjs'

bind(await Promise.all([refusing(), serve(), serve()]))
