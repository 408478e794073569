import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import process from 'node:process'
import * as undici from 'undici'
import { expect, it } from 'vitest'
import { loadUndici } from '../../src/outbound/undici.ts'

const entry = process.env['INMESH_UNDICI'] ?? ''
const wanted = process.env['INMESH_EXPECT_UNDICI'] ?? ''

it('runs on the Node that was asked for', () => {
  expect(process.versions.node.split('.')[0]).toBe(process.env['INMESH_EXPECT_NODE'])
})

it('tests and sources see the undici that was asked for', async () => {
  const { version } = JSON.parse(readFileSync(join(dirname(entry), 'package.json'), 'utf8')) as { version: string }
  expect(version.split('.')[0]).toBe(wanted)
  const { Client, dialect } = await loadUndici()
  expect(Client).toBe(undici.Client)
  expect(dialect).toBe(wanted === '7' ? 'legacy' : 'modern')
})
