import { randomBytes, randomUUID } from 'node:crypto'
import type { Queue } from 'bullmq'
import { onTestFinished } from 'vitest'
import { loadConfig } from '../../src/config.ts'
import { openFeedBell } from '../../src/db/feed-bell.ts'
import { openGraph } from '../../src/graph-of-config.ts'
import { startHttp, type HttpDeps } from '../../src/http/server.ts'
import { payloadSchemas } from '../../src/jobs/catalog.ts'
import { openQueues } from '../../src/jobs/queues.ts'
import { openKeyRing } from '../../src/key-ring.ts'
import { createLog } from '../../src/log.ts'
import { openPreconsent } from '../../src/preconsent-of-config.ts'
import { testDatabase } from '../harness/database.ts'

/** Where Microsoft is for tests without the simulated cloud. */
export const nowhere = 'https://127.0.0.1:9'
export const operatorToken = 'operator-token-of-the-tests'
export const defaultClientId = 'dddddddd-0000-4000-8000-000000000001'
export const viewerToken = 'viewer-token-of-the-tests'

/**
 * The HTTP server on a free port over a database and queues of its own; all gone when the test ends. `env` is what the
 * configuration is read from beside what is needed.
 */
export async function startTestHttp(
  options: Partial<HttpDeps> = {},
  queueUrl: string | null = null,
  env: Record<string, string> = {},
) {
  const database = await testDatabase()
  onTestFinished(() => database.drop())
  const log = createLog({ level: 'silent', pretty: false })
  const queues = await openQueues(queueUrl ?? database.url, { log, prefix: randomUUID() })
  onTestFinished(() => queues.close())
  const config = loadConfig({
    DATABASE_URL: database.url,
    // A port that nobody listens at: no test goes to the internet.
    MICROSOFT_CLOUD: 'custom',
    LOGIN_URL: nowhere,
    GRAPH_URL: nowhere,
    PARTNER_CENTER_URL: nowhere,
    DEFAULT_APP_CLIENT_ID: defaultClientId,
    DEFAULT_APP_CLIENT_SECRET: 'a-secret-that-no-test-uses',
    ENCRYPTION_KEY: randomBytes(32).toString('base64'),
    ...env,
  })
  const graph = await openGraph(config, database.db, log, { backoffMs: 10, maxInlineWaitMs: 200 })
  onTestFinished(() => graph.close())
  const feedBell = openFeedBell(database.url, log)
  onTestFinished(() => feedBell.close())
  const deps: HttpDeps = {
    db: database.db,
    feedBell,
    queues: queues.all,
    jobs: queues,
    graph,
    keyRing: await openKeyRing(config),
    preconsent: await openPreconsent(config, database.db, graph, log),
    defaultApp: config.defaultApp,
    cloud: config.cloud,
    payloadSchemas: payloadSchemas(),
    syncIntervalMs: 60_000,
    licenseGraceMs: config.licenseGraceMs,
    guard: config.guard,
    http: { host: '127.0.0.1', port: 0, publicUrl: 'http://localhost:8080' },
    opsTokens: [
      { token: operatorToken, role: 'operator' },
      { token: viewerToken, role: 'viewer' },
    ],
    metricsToken: null,
    log,
    ...options,
  }
  const server = await startHttp(deps)
  onTestFinished(() => server.close())
  return { ...server, deps, database, queues }
}

export async function signIn(
  url: string,
  token: string,
  headers: Record<string, string> = {},
): Promise<Response> {
  return fetch(`${url}/sign-in`, {
    method: 'POST',
    redirect: 'manual',
    headers: { Origin: url, ...headers },
    body: new URLSearchParams({ token }),
  })
}

/** The session cookie of a fresh sign-in, as a Cookie header. */
export async function sessionOf(url: string, token: string): Promise<string> {
  const [cookie = ''] = (await signIn(url, token)).headers.getSetCookie()
  return cookie.split(';')[0] ?? ''
}

export function jobsOf(queue: Queue) {
  return queue.getJobs(['waiting', 'prioritized', 'delayed', 'active', 'completed', 'failed'])
}
