import { canaries } from '../conformance/inbound/suite.ts'

canaries(2_000)
