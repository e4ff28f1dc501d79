import { resolve } from 'node:path'
import { isatty } from 'node:tty'
import { z } from 'zod'
import { readAppEntitlements, type ConfiguredEntitlement } from './config/app-entitlements.ts'
import { knownClouds, type Cloud, type CloudName } from './config/clouds.ts'
import { environmentReader, type Problem } from './config/environment.ts'
import { EntraSyncError } from './errors.ts'
import type { AppCertificate } from './config/app-certificate.ts'
import type { KeyRing } from './key-ring.ts'
import {
  certificatePem,
  duration,
  encryptionKeys,
  flag,
  httpsOrigin,
  opsTokens,
  publicUrl,
  serverUrl,
  tooShort,
  wholeNumber,
} from './config/fields.ts'

export type OpsRole = 'viewer' | 'operator'

export interface OpsToken {
  token: string
  role: OpsRole
}

/** The Default app's registration. */
export type DefaultApp = { clientId: string } & ({ secret: string } | { certificate: AppCertificate })

/** Everything the environment decides. Durations are milliseconds. */
export interface Config {
  /** null = an embedded Postgres kept in `dataDir`. */
  databaseUrl: string | null
  /** `redis://`, `rediss://` or `postgres://`; null = the database above. */
  queueUrl: string | null
  /** Absolute. */
  dataDir: string
  http: { host: string; port: number; publicUrl: string }
  /** Keys for secrets at rest; null = none configured, `openKeyRing` says what happens then. */
  encryptionKeys: KeyRing | null
  /** null = none configured; `http/ops-tokens.ts` says what happens then. */
  opsTokens: OpsToken[] | null
  cloud: Cloud
  /** null = the Default permission level is not offered. */
  defaultApp: DefaultApp | null
  intervals: { syncMs: number; reconcileMs: number; discoveryMs: number }
  /** Entra tenants synced at once by one worker process. */
  syncConcurrency: number
  syncSliceMs: number
  guard: { holdMin: number; holdPercent: number; holdMax: number }
  /** How long licences of a suspended SKU still count. */
  licenseGraceMs: number
  /** Beside the built-in ones. */
  appEntitlements: ConfiguredEntitlement[]
  log: { level: LogLevel; pretty: boolean }
  /** null = /metrics answers loopback clients only. */
  metricsToken: string | null
}

const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const
export type LogLevel = (typeof logLevels)[number]

const cloudNames = ['global', 'usgov', 'usgovdod', 'china', 'custom'] as const satisfies CloudName[]
const second = 1000
const minute = 60 * second
const day = 24 * 60 * minute

/**
 * Reads the configuration from `env` (as process.env) and the files its `*_FILE` variables name. An empty value counts
 * as unset. Throws one EntraSyncError of kind `config` that lists every problem, never a secret. `terminal` decides
 * LOG_PRETTY's default.
 */
export function loadConfig(env: NodeJS.ProcessEnv, terminal = isatty(2)): Config {
  const read = environmentReader(env)

  const port = read.value('HTTP_PORT', wholeNumber(0, 65_535), 8080)
  const sync = read.value('SYNC_INTERVAL', duration(second, 6 * day, 'P6D'), 30 * minute)
  const reconcile = read.value('RECONCILE_INTERVAL', duration(second, 30 * day, 'P30D'), day)
  if (reconcile < sync) {
    read.problem('RECONCILE_INTERVAL', 'is shorter than SYNC_INTERVAL. Make it at least as long.')
  }
  const holdMin = read.value('HOLD_MIN', wholeNumber(0, 1_000_000), 5)
  const holdMax = read.value('HOLD_MAX', wholeNumber(1, 10_000_000), 500)
  if (holdMax < holdMin) read.problem('HOLD_MAX', 'is smaller than HOLD_MIN. Make it at least as large.')

  const config: Config = {
    databaseUrl: read.secret('DATABASE_URL', serverUrl(['postgres:', 'postgresql:']), null),
    queueUrl: read.secret('QUEUE_URL', serverUrl(['redis:', 'rediss:', 'postgres:', 'postgresql:']), null),
    dataDir: resolve(read.value('DATA_DIR', z.string(), './data')),
    http: {
      host: read.value('HTTP_HOST', z.string(), '127.0.0.1'),
      port,
      publicUrl: read.value('PUBLIC_URL', publicUrl, `http://localhost:${port}`),
    },
    encryptionKeys: read.secret('ENCRYPTION_KEY', encryptionKeys, null),
    opsTokens: read.secret('OPS_TOKEN', opsTokens, null),
    cloud: readCloud(read),
    defaultApp: readDefaultApp(read),
    intervals: {
      syncMs: sync,
      reconcileMs: reconcile,
      discoveryMs: read.value('DISCOVERY_INTERVAL', duration(second, 30 * day, 'P30D'), 6 * 60 * minute),
    },
    syncConcurrency: read.value('SYNC_CONCURRENCY', wholeNumber(1, 200), 10),
    syncSliceMs: read.value('SYNC_SLICE', duration(second, 60 * minute, 'PT1H'), minute),
    guard: { holdMin, holdPercent: read.value('HOLD_PERCENT', wholeNumber(0, 100), 10), holdMax },
    licenseGraceMs: read.value('SUSPENDED_LICENSE_GRACE', duration(second, 365 * day, 'P365D'), 30 * day),
    appEntitlements: readEntitlements(read),
    log: {
      level: read.value('LOG_LEVEL', z.enum(logLevels, `must be one of ${logLevels.join(', ')}.`), 'info'),
      pretty: read.value('LOG_PRETTY', flag, terminal),
    },
    metricsToken: read.secret('METRICS_TOKEN', z.string().min(16, tooShort), null),
  }
  if (read.problems.length > 0) throw configError(read.problems)
  return config
}

type Reader = ReturnType<typeof environmentReader>

function readCloud(read: Reader): Cloud {
  const oneOf = `must be one of ${cloudNames.join(', ')}.`
  const name = read.value('MICROSOFT_CLOUD', z.enum(cloudNames, oneOf), 'global')
  const urls = {
    loginUrl: read.value('LOGIN_URL', httpsOrigin, null),
    graphUrl: read.value('GRAPH_URL', httpsOrigin, null),
    partnerCenterUrl: read.value('PARTNER_CENTER_URL', httpsOrigin, null),
  }
  const named = {
    LOGIN_URL: urls.loginUrl,
    GRAPH_URL: urls.graphUrl,
    PARTNER_CENTER_URL: urls.partnerCenterUrl,
  }
  for (const [variable, url] of Object.entries(named)) {
    if (name !== 'custom' && url !== null) {
      read.problem(
        variable,
        'counts with MICROSOFT_CLOUD=custom only. Unset it, or set MICROSOFT_CLOUD=custom.',
      )
    }
    if (name === 'custom' && url === null && !read.isSet(variable)) {
      read.problem(variable, 'is needed with MICROSOFT_CLOUD=custom. Set it to an https origin.')
    }
  }
  if (name !== 'custom') return knownClouds[name]
  return {
    name,
    loginUrl: urls.loginUrl ?? '',
    graphUrl: urls.graphUrl ?? '',
    partnerCenterUrl: urls.partnerCenterUrl ?? '',
  }
}

/** More than anybody corrects at once, in a file of something else. */
const mostFileProblems = 50

function readEntitlements(read: Reader): ConfiguredEntitlement[] {
  const source = read.file('APP_ENTITLEMENTS_FILE')
  if (source === null) return []
  const { entitlements, problems } = readAppEntitlements(source)
  for (const { line, text } of problems.slice(0, mostFileProblems))
    read.problem('APP_ENTITLEMENTS_FILE', `line ${line}: ${text}`)
  const more = problems.length - mostFileProblems
  if (more > 0) read.problem('APP_ENTITLEMENTS_FILE', `has ${more} more problems. Correct these first.`)
  return entitlements
}

function readDefaultApp(read: Reader): DefaultApp | null {
  const clientId = read.value(
    'DEFAULT_APP_CLIENT_ID',
    z.guid("must be the app registration's client id, a GUID."),
    null,
  )
  const secret = read.secret('DEFAULT_APP_CLIENT_SECRET', z.string(), null)
  const certificate = read.secret('DEFAULT_APP_CERTIFICATE', certificatePem, null)
  const hasSecret = read.isSet('DEFAULT_APP_CLIENT_SECRET')
  const hasCertificate = read.isSet('DEFAULT_APP_CERTIFICATE')
  if (hasSecret && hasCertificate) {
    read.problem(
      'DEFAULT_APP_CLIENT_SECRET',
      'is set beside a certificate. Keep the certificate, unset the secret.',
    )
  }
  if (!read.isSet('DEFAULT_APP_CLIENT_ID') && (hasSecret || hasCertificate)) {
    read.problem(
      'DEFAULT_APP_CLIENT_ID',
      "is needed with its secret or certificate. Set it to the app's client id.",
    )
  }
  if (read.isSet('DEFAULT_APP_CLIENT_ID') && !hasSecret && !hasCertificate) {
    read.problem(
      'DEFAULT_APP_CERTIFICATE_FILE',
      'is needed with DEFAULT_APP_CLIENT_ID. Set it, or DEFAULT_APP_CLIENT_SECRET_FILE.',
    )
  }
  if (clientId === null) return null
  if (certificate !== null) return { clientId, certificate }
  return secret === null ? null : { clientId, secret }
}

function configError(problems: Problem[]): EntraSyncError {
  const lines = problems.map(({ name, text }) => `  ${name} ${text}`)
  const count = problems.length === 1 ? 'one problem' : `${problems.length} problems`
  return new EntraSyncError('config', `The configuration has ${count}:\n${lines.join('\n')}`, {
    code: 'config_invalid',
  })
}
