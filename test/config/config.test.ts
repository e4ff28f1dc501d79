import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { loadConfig } from '../../src/config.ts'
import { isEntraSyncError } from '../../src/errors.ts'
import { createAppCertificate } from '../../simulator/certificates.ts'

const dir = mkdtempSync(join(tmpdir(), 'entra-sync-config-'))

function file(name: string, text: string): string {
  const path = join(dir, name)
  writeFileSync(path, text)
  return path
}

function problemsOf(env: Record<string, string>): string[] {
  try {
    loadConfig(env)
  } catch (error) {
    if (!isEntraSyncError(error, 'config')) throw error
    return error.message.split('\n').slice(1)
  }
  return []
}

const longToken = 'x'.repeat(32)
const clientId = '11111111-2222-3333-4444-555555555555'
const custom = { MICROSOFT_CLOUD: 'custom', LOGIN_URL: 'https://l', GRAPH_URL: 'https://g:8443' }

describe('bad configurations', () => {
  const cases: [name: string, env: Record<string, string>, variable: string][] = [
    ['no such database scheme', { DATABASE_URL: 'mysql://db/x' }, 'DATABASE_URL'],
    ['a database URL without a host', { DATABASE_URL: 'postgres://' }, 'DATABASE_URL'],
    ['no such queue scheme', { QUEUE_URL: 'http://redis' }, 'QUEUE_URL'],
    ['a port that is no number', { HTTP_PORT: '80a' }, 'HTTP_PORT'],
    ['a port out of range', { HTTP_PORT: '65536' }, 'HTTP_PORT'],
    ['plain http in public', { PUBLIC_URL: 'http://sync.example.com' }, 'PUBLIC_URL'],
    ['a public URL with a path', { PUBLIC_URL: 'https://sync.example.com/x' }, 'PUBLIC_URL'],
    ['a short ops token', { OPS_TOKEN: 'short' }, 'OPS_TOKEN'],
    ['an ops token of no known role', { OPS_TOKEN: `admin:${longToken}` }, 'OPS_TOKEN'],
    ['an ops token twice', { OPS_TOKEN: `viewer:${longToken},operator:${longToken}` }, 'OPS_TOKEN'],
    ['no such cloud', { MICROSOFT_CLOUD: 'mars' }, 'MICROSOFT_CLOUD'],
    ['a host without the custom cloud', { GRAPH_URL: 'https://graph.example' }, 'GRAPH_URL'],
    [
      'the custom cloud without a host',
      { ...custom, LOGIN_URL: '', PARTNER_CENTER_URL: 'https://p' },
      'LOGIN_URL',
    ],
    ['a host with a path', { ...custom, PARTNER_CENTER_URL: 'https://p/v1' }, 'PARTNER_CENTER_URL'],
    ['a host with credentials', { ...custom, PARTNER_CENTER_URL: 'https://u:p@p' }, 'PARTNER_CENTER_URL'],
    ['a host without TLS', { ...custom, PARTNER_CENTER_URL: 'http://p' }, 'PARTNER_CENTER_URL'],
    [
      'a client id that is no GUID',
      { DEFAULT_APP_CLIENT_ID: 'app', DEFAULT_APP_CLIENT_SECRET: 's' },
      'DEFAULT_APP_CLIENT_ID',
    ],
    ['a client id alone', { DEFAULT_APP_CLIENT_ID: clientId }, 'DEFAULT_APP_CERTIFICATE_FILE'],
    ['a secret alone', { DEFAULT_APP_CLIENT_SECRET: 's' }, 'DEFAULT_APP_CLIENT_ID'],
    ['a duration of months', { SYNC_INTERVAL: 'P1M' }, 'SYNC_INTERVAL'],
    ['an empty duration', { SYNC_INTERVAL: 'PT' }, 'SYNC_INTERVAL'],
    ['a plain number as a duration', { SYNC_SLICE: '60' }, 'SYNC_SLICE'],
    [
      'an interval beyond the life of a delta token',
      { SYNC_INTERVAL: 'P7D', RECONCILE_INTERVAL: 'P9D' },
      'SYNC_INTERVAL',
    ],
    [
      'reconciling more often than syncing',
      { SYNC_INTERVAL: 'PT2H', RECONCILE_INTERVAL: 'PT1H' },
      'RECONCILE_INTERVAL',
    ],
    ['no worker at all', { SYNC_CONCURRENCY: '0' }, 'SYNC_CONCURRENCY'],
    ['a percentage above 100', { HOLD_PERCENT: '101' }, 'HOLD_PERCENT'],
    ['a guard whose ends are swapped', { HOLD_MIN: '50', HOLD_MAX: '40' }, 'HOLD_MAX'],
    ['no such log level', { LOG_LEVEL: 'loud' }, 'LOG_LEVEL'],
    ['no such truth value', { LOG_PRETTY: 'maybe' }, 'LOG_PRETTY'],
    ['a short metrics token', { METRICS_TOKEN: 'short' }, 'METRICS_TOKEN'],
    ['a secret file that is not there', { OPS_TOKEN_FILE: join(dir, 'nothing') }, 'OPS_TOKEN_FILE'],
    ['a secret file that is empty', { OPS_TOKEN_FILE: file('empty', '\n') }, 'OPS_TOKEN_FILE'],
    [
      'a secret and its file',
      { OPS_TOKEN: longToken, OPS_TOKEN_FILE: file('token', longToken) },
      'OPS_TOKEN',
    ],
    [
      'a certificate file without a key',
      { DEFAULT_APP_CLIENT_ID: clientId, DEFAULT_APP_CERTIFICATE_FILE: file('no.pem', 'hello') },
      'DEFAULT_APP_CERTIFICATE_FILE',
    ],
    [
      'a certificate file of a megabyte of beginnings',
      {
        DEFAULT_APP_CLIENT_ID: clientId,
        DEFAULT_APP_CERTIFICATE_FILE: file('long.pem', '-----BEGIN CERTIFICATE-----'.repeat(9000)),
      },
      'DEFAULT_APP_CERTIFICATE_FILE',
    ],
  ]
  test.each(cases)('%s', (_name, env, variable) => {
    const problems = problemsOf(env)
    expect(problems).toHaveLength(1)
    expect(problems[0]).toMatch(new RegExp(`^  ${variable} `))
  })

  test('all of them at once, each with a remedy', () => {
    const independent = cases.filter(
      ([, env, variable]) => Object.keys(env).length === 1 && variable in env && !variable.endsWith('_FILE'),
    )
    const env = Object.assign({}, ...independent.map(([, one]) => one)) as Record<string, string>
    const told = new Set(problemsOf(env).map((line) => line.trim().split(' ')[0]))
    for (const name of Object.keys(env)) expect(told).toContain(name)
    for (const line of problemsOf(env)) expect(line).toMatch(/\.$/)
  })

  test('no secret is told', () => {
    const env = {
      DATABASE_URL: 'mysql://u:hunter2hunter2@db',
      QUEUE_URL: 'redis//hunter2hunter2',
      OPS_TOKEN: 'hunter2',
    }
    const text = problemsOf(env).join('\n')
    expect(text).toContain('DATABASE_URL')
    expect(text).not.toContain('hunter2')
  })
})

describe('good configurations', () => {
  test('nothing set: embedded Postgres, loopback, the global cloud', () => {
    const config = loadConfig({ DATABASE_URL: '', HTTP_PORT: ' ' }, false)
    expect(config).toMatchObject({
      databaseUrl: null,
      queueUrl: null,
      http: { host: '127.0.0.1', port: 8080, publicUrl: 'http://localhost:8080' },
      opsTokens: null,
      cloud: { loginUrl: 'https://login.microsoftonline.com', graphUrl: 'https://graph.microsoft.com' },
      defaultApp: null,
      intervals: { syncMs: 1_800_000, reconcileMs: 86_400_000, discoveryMs: 21_600_000 },
      syncSliceMs: 60_000,
      log: { level: 'info', pretty: false },
    })
  })

  test.each([
    ['usgov', 'https://login.microsoftonline.us', 'https://graph.microsoft.us'],
    ['usgovdod', 'https://login.microsoftonline.us', 'https://dod-graph.microsoft.us'],
    ['china', 'https://login.partner.microsoftonline.cn', 'https://microsoftgraph.chinacloudapi.cn'],
  ])('cloud %s', (name, loginUrl, graphUrl) => {
    expect(loadConfig({ MICROSOFT_CLOUD: name }).cloud).toMatchObject({ loginUrl, graphUrl })
  })

  test('a custom cloud has ports, and loses the slash', () => {
    const origin = 'https://localhost:8443'
    const env = {
      MICROSOFT_CLOUD: 'custom',
      LOGIN_URL: `${origin}/`,
      GRAPH_URL: origin,
      PARTNER_CENTER_URL: origin,
    }
    expect(loadConfig(env).cloud).toEqual({
      name: 'custom',
      loginUrl: origin,
      graphUrl: origin,
      partnerCenterUrl: origin,
    })
  })

  test.each([
    ['PT60S', 60_000],
    ['PT1.5S', 1500],
    ['P1DT12H', 129_600_000],
    ['P0DT90M', 5_400_000],
  ])('SYNC_INTERVAL=%s', (text, ms) => {
    expect(loadConfig({ SYNC_INTERVAL: text, RECONCILE_INTERVAL: 'P6D' }).intervals.syncMs).toBe(ms)
  })

  test('ops tokens with roles, from a file with a byte order mark and a newline', () => {
    const viewer = 'v'.repeat(20)
    const path = file('tokens', `\uFEFF${longToken}\r\nviewer:${viewer}\r\n`)
    expect(loadConfig({ OPS_TOKEN_FILE: path }).opsTokens).toEqual([
      { token: longToken, role: 'operator' },
      { token: viewer, role: 'viewer' },
    ])
  })

  test('a certificate with its key is read; one with another key is refused', async () => {
    const [one, other] = await Promise.all([createAppCertificate('one'), createAppCertificate('other')])
    const env = (name: string, key: string) => ({
      DEFAULT_APP_CLIENT_ID: clientId,
      DEFAULT_APP_CERTIFICATE_FILE: file(name, `${key}\n${one.certificatePem}`),
    })
    const { defaultApp } = loadConfig(env('good.pem', one.privateKeyPem))
    expect(defaultApp).toMatchObject({ clientId, certificate: { certificatePem: one.certificatePem.trim() } })
    expect(problemsOf(env('mixed.pem', other.privateKeyPem))).toEqual([
      expect.stringContaining("not its certificate's"),
    ])
  })
})
