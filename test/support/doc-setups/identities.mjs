// Identities of two workloads of example.org, as an issuer hands them out: `web` as values, `orders` as files.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import ts from 'typescript'

// The test suite's authority is TypeScript, which Node 20 does not load.
const text = readFileSync(new URL('../tls.ts', import.meta.url), 'utf8')
const { outputText } = ts.transpileModule(text, { compilerOptions: { target: ts.ScriptTarget.ES2023, module: ts.ModuleKind.ESNext } })
const { CertificateAuthority } = await import(`data:text/javascript,${encodeURIComponent(outputText)}`)

const authority = new CertificateAuthority('example.org')
const orders = authority.issue({ names: ['spiffe://example.org/ns/shop/sa/orders'] })
const directory = mkdtempSync(join(tmpdir(), 'inmesh-docs-'))
process.on('exit', () => rmSync(directory, { recursive: true, force: true }))
for (const [name, content] of Object.entries({ 'cert.pem': orders.cert, 'key.pem': orders.key, 'ca.pem': authority.cert }))
  writeFileSync(join(directory, name), content)

globalThis.exampleOrgCa = authority.cert
globalThis.webIdentity = authority.issue({ names: ['spiffe://example.org/ns/shop/sa/web'] })
globalThis.ordersFiles = directory
