import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { loadConfig } from '../../src/config.ts'
import { catalog } from '../../src/jobs/catalog.ts'

const folder = mkdtempSync(join(tmpdir(), 'entra-sync-config-'))
afterAll(() => rmSync(folder, { recursive: true }))

/** What the configuration is refused with; null = it is taken. */
function refusal(env: Record<string, string>): string | null {
  try {
    loadConfig(env)
    return null
  } catch (error) {
    return String(error)
  }
}

describe('an encryption key', () => {
  test.each([
    ['of 31 bytes', randomBytes(31).toString('base64')],
    ['of 33 bytes', randomBytes(33).toString('base64')],
    ['of zeroes', Buffer.alloc(32).toString('base64')],
    ['out of a text', Buffer.from('0123456789abcdef0123456789abcdef').toString('base64')],
    ['that lost a character', randomBytes(32).toString('base64').slice(1)],
  ])('%s is refused, with what to do and without the key', (_, key) => {
    const text = refusal({ ENCRYPTION_KEY: key })
    expect(text).toMatch(/ENCRYPTION_KEY (is|holds) .*openssl rand -base64 32/)
    expect(text).not.toContain(key)
  })
})

describe('a secret', () => {
  test('empty counts as not set; a byte order mark and the newline of an editor are not part of it', () => {
    const file = join(folder, 'secret')
    writeFileSync(file, '\uFEFFs3cret-of-the-app\r\n')
    const app = { DEFAULT_APP_CLIENT_ID: '00000000-0000-4000-8000-00000000000a' }
    expect(
      loadConfig({ ...app, DEFAULT_APP_CLIENT_SECRET: '', DEFAULT_APP_CLIENT_SECRET_FILE: file }).defaultApp,
    ).toMatchObject({
      secret: 's3cret-of-the-app',
    })
    expect(loadConfig({ OPS_TOKEN: '', ENCRYPTION_KEY: ' ', QUEUE_URL: '' })).toMatchObject({
      opsTokens: null,
      encryptionKeys: null,
      queueUrl: null,
    })
  })
})

describe('an Entra tenant id', () => {
  const id = 'AAAAAAAA-0000-4000-8000-00000000000B'
  test('is the same in capitals', () => {
    expect(catalog['sync-tenant'].payload.parse({ entraTenantId: id })).toEqual({
      entraTenantId: id.toLowerCase(),
    })
  })
  test.each([` ${id}`, 'contoso.example', `${id}'; drop table persons`, ''])(
    '%j in a job is refused',
    (entraTenantId) => {
      expect(catalog['sync-tenant'].payload.safeParse({ entraTenantId }).success).toBe(false)
    },
  )
})

test.each([
  ['HOLD_MIN', '-1'],
  ['HOLD_MIN', 'NaN'],
  ['HOLD_MIN', '1e3'],
  ['HOLD_PERCENT', '101'],
  ['HOLD_PERCENT', '5%'],
  ['HOLD_PERCENT', '5.5'],
  ['HOLD_MAX', '0'],
  ['HOLD_MAX', 'Infinity'],
])('the limit %s=%s is refused by name', (name, value) => {
  expect(refusal({ [name]: value })).toMatch(new RegExp(`\\n  ${name} .*\\.`))
})
