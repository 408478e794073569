// An orders service behind TLS, with a certificate for orders.internal from an authority of its own.
import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'
import ts from 'typescript'
import { answerOrder, bind, listen } from '../doc-server.mjs'

// The test suite's authority is TypeScript, which Node 20 does not load.
const text = readFileSync(new URL('../tls.ts', import.meta.url), 'utf8')
const { outputText } = ts.transpileModule(text, { compilerOptions: { target: ts.ScriptTarget.ES2023, module: ts.ModuleKind.ESNext } })
const { CertificateAuthority } = await import(`data:text/javascript,${encodeURIComponent(outputText)}`)

const authority = new CertificateAuthority()
bind([await listen(createServer(authority.issue({ names: ['orders.internal'] }), answerOrder))])
globalThis.ordersCa = authority.cert
