import { canaries } from './suite.ts'

// The whole grammar, 2,000 requests for each server, is in test/integration.
canaries(60)
