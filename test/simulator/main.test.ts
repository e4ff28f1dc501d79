import { spawn } from 'node:child_process'
import type { ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, statSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'

const program = fileURLToPath(new URL('../../simulator/main.ts', import.meta.url))
let folder: string
let child: ChildProcessByStdio<Writable, Readable, Readable>

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'entra-sync-test-'))
})
afterEach(async () => {
  if (child.exitCode === null && child.signalCode === null) {
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  await rm(folder, { recursive: true, force: true })
})

interface Ready {
  origin: string
  controlUrl: string
  caFile: string
  partnerTenantId: string
  partners: string[]
  tenants: { id: string; users: number }[]
}

async function start(...options: string[]): Promise<Ready> {
  child = spawn(process.execPath, [program, '--customers', '2', '--users', '30', ...options], {
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  for await (const line of createInterface(child.stdout)) return JSON.parse(line) as Ready
  throw new Error('The simulator ended without a line')
}

test('prints and writes one line that says where everything is', async () => {
  const file = join(folder, 'cloud.json')
  const ready = await start('--lifeline', '--out', file)
  expect(JSON.parse(await readFile(file, 'utf8'))).toEqual(ready)
  expect(statSync(file).mode & 0o777).toBe(0o600)
  expect(ready.tenants.reduce((sum, { users }) => sum + users, 0)).toBe(30)
  expect(await (await fetch(`${ready.controlUrl}/tenants`)).json()).toHaveLength(3)
})

test('has as many partners as it is told', async () => {
  const { partners, partnerTenantId, tenants } = await start('--lifeline', '--partners', '2')
  expect(partners).toEqual([partnerTenantId, tenants.at(-1)?.id])
  expect(tenants).toHaveLength(4)
})

test('ends with its stdin, as when its parent is killed, and leaves no file behind', async () => {
  const { caFile } = await start('--lifeline')
  const ended = once(child, 'exit')
  child.stdin.end()
  expect(await ended).toEqual([0, null])
  expect(existsSync(caFile)).toBe(false)
})

test('ends in peace on SIGTERM', async () => {
  await start()
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  expect(await ended).toEqual([0, null])
})

test('takes no half numbers', async () => {
  await expect(start('--port', '80x')).rejects.toThrow('without a line')
})
