// An orders service that reads requests and never answers.
import { bind, serve } from '../doc-server.mjs'

bind([await serve((request) => request.resume())])
