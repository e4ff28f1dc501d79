import { mkdir, mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { loadOpsTokens } from '../../src/http/ops-tokens.ts'

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'entra-sync-tokens-'))
  onTestFinished(() => rm(path, { recursive: true, force: true }))
  return join(path, 'data')
}

test('with the embedded database a token is made, told once, and kept for its owner only', async () => {
  const dataDir = await folder()
  const told: string[] = []
  const load = () => loadOpsTokens({ opsTokens: null, databaseUrl: null, dataDir }, (line) => told.push(line))
  const [first] = await load()
  const [second] = await load()
  expect(first?.role).toBe('operator')
  expect(second).toEqual(first)
  expect(told).toHaveLength(1)
  expect(told[0]).toContain(first?.token)
  const file = join(dataDir, 'ops-token')
  expect((await stat(file)).mode & 0o777).toBe(0o600)
  expect((await readFile(file, 'utf8')).trim()).toBe(first?.token)
})

test('a token that is there and cannot be read is an error, and stays', async () => {
  const dataDir = await folder()
  await mkdir(join(dataDir, 'ops-token'), { recursive: true })
  const config = { opsTokens: null, databaseUrl: null, dataDir }
  await expect(loadOpsTokens(config, () => undefined)).rejects.toMatchObject({
    kind: 'config',
    code: 'ops_token_unreadable',
  })
})

test('with a database of its own OPS_TOKEN is needed', async () => {
  const config = { opsTokens: null, databaseUrl: 'postgres://db/x', dataDir: await folder() }
  await expect(loadOpsTokens(config, () => undefined)).rejects.toMatchObject({
    kind: 'config',
    code: 'ops_token_missing',
  })
})

test('configured tokens are taken as they are', async () => {
  const opsTokens = [{ token: 'a-token-of-the-tests', role: 'viewer' as const }]
  const config = { opsTokens, databaseUrl: null, dataDir: await folder() }
  expect(await loadOpsTokens(config, () => undefined)).toEqual(opsTokens)
})
