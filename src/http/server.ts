import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { HTTPException } from 'hono/http-exception'
import type { Config, OpsToken } from '../config.ts'
import { EntraSyncError, describeError, isEntraSyncError } from '../errors.ts'
import { dashboardPath, guard, type Access, type HttpEnv } from './access.ts'
import { addApi } from './api/serve.ts'
import { isCutOff } from './body.ts'
import type { ConsoleDeps } from './console-deps.ts'
import type { ConsentDeps } from './consent/deps.ts'
import { addConsent } from './consent/routes.ts'
import { createDashboard, type DashboardDeps } from './dashboard.ts'
import { statusOf } from './failure-status.ts'
import { createFailures } from './failures.ts'
import { securityHeaders } from './headers.ts'
import { liveness, readiness, watchEventLoop, type Check, type HealthDeps } from './health.ts'
import { createMetrics } from './metrics.ts'
import { addConsole } from './pages/console.ts'
import { failureAnswer } from './pages/failure-page.ts'
import { addPartnerSignIn, answerPartnerSignIn } from './consent/partner-sign-in.ts'
import { createSessions } from './sessions.ts'
import { addSignIn } from './sign-in.ts'

export interface HttpDeps extends HealthDeps, DashboardDeps, ConsoleDeps, ConsentDeps {
  opsTokens: OpsToken[]
  /** null = /metrics answers loopback clients only. */
  metricsToken: string | null
  /** How long a client may take to send the headers, and the whole of a request, before it gets a 408. */
  receiveMs?: { headers: number; whole: number }
}

export interface HttpServer {
  /** Where it listens, as `http://127.0.0.1:8080`. */
  url: string
  close(): Promise<void>
}

const largestBody = 1024 * 1024
const longestReceiveMs = { headers: 10_000, whole: 30_000 }
/** Requests under way get this long at shutdown; a dashboard polls every few seconds and keeps connections open. */
const closeGraceMs = 2000

/** Serves probes, metrics, sign-in, consent, the API, the console and the queue dashboard; every other route is denied. */
export async function startHttp(deps: HttpDeps): Promise<HttpServer> {
  const log = deps.log.child({ part: 'http' })
  let port = deps.http.port
  const access: Access = {
    tokens: deps.opsTokens,
    sessions: createSessions(),
    failures: createFailures(),
    // The listener's own names too: an operator reaches it through a tunnel even where PUBLIC_URL names a proxy.
    origins: () => [
      deps.http.publicUrl,
      ...['localhost', '127.0.0.1', '[::1]'].map((name) => `http://${name}:${port}`),
    ],
    secure: deps.http.publicUrl.startsWith('https:'),
    metricsToken: deps.metricsToken,
  }
  const loop = watchEventLoop()
  const app = await createRoutes({ ...deps, log }, access, loop.stallMs)
  const listen = getRequestListener(app.fetch)
  const { headers: headersTimeout, whole: requestTimeout } = deps.receiveMs ?? longestReceiveMs
  // Node looks every 30 s unless told otherwise: the headers' 10 s were up to 40.
  const patience = { headersTimeout, requestTimeout, connectionsCheckingInterval: headersTimeout / 5 }
  const server = createServer(patience, (request, response) => void listen(request, response))
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(listenError(error, deps.http)))
    server.listen(deps.http.port, deps.http.host, resolve)
  }).catch((error: unknown) => {
    loop.stop()
    throw error
  })
  server.on('error', (error) => log.error({ err: error }, 'the HTTP listener failed'))
  const address = server.address() as AddressInfo
  port = address.port
  const host = address.family === 'IPv6' ? `[${address.address}]` : address.address
  return {
    url: `http://${host}:${port}`,
    async close() {
      loop.stop()
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      server.closeIdleConnections()
      const grace = setTimeout(() => server.closeAllConnections(), closeGraceMs)
      await closed
      clearTimeout(grace)
    },
  }
}

/** All routes; apart from startHttp so that a test can list them. */
export async function createRoutes(
  deps: HttpDeps,
  access: Access,
  stallMs: () => number,
): Promise<Hono<HttpEnv>> {
  const app = new Hono<HttpEnv>()
  const metrics = await createMetrics(deps)
  app.use('*', securityHeaders(access.secure))
  app.use('*', guard(access))
  app.use('*', bodyLimit({ maxSize: largestBody }))

  app.get('/livez', (context) => {
    // What only a restart of this process mends; Graph, Redis or Postgres being away is none of that.
    const checks = [liveness(stallMs()), ...(deps.health?.() ?? [])]
    const live = checks.every(({ ok }) => ok)
    return context.json({ status: live ? 'live' : 'stalled', checks }, live ? 200 : 503)
  })
  // Anybody may ask, so all who ask at once share one look at the database.
  let looking: Promise<Check[]> | null = null
  app.get('/readyz', async (context) => {
    looking ??= readiness(deps).finally(() => (looking = null))
    const checks = await looking
    const ready = checks.every(({ ok }) => ok)
    return context.json({ status: ready ? 'ready' : 'not ready', checks }, ready ? 200 : 503)
  })
  app.get('/metrics', async (context) =>
    context.text(await metrics.metrics(), 200, { 'Content-Type': metrics.contentType }),
  )
  addSignIn(app, access, deps.log)
  addApi(app, deps)
  addConsole(app, deps)
  addPartnerSignIn(app, deps, access.secure)
  addConsent(
    app,
    { answerPartnerSignIn: (context) => answerPartnerSignIn(context, deps, access.secure), ...deps },
    access.secure,
  )
  app.route(dashboardPath, createDashboard(deps))

  app.notFound((context) =>
    failureAnswer(context, { error: 'not_found', message: `There is nothing at ${context.req.path}.` }, 404),
  )
  app.onError((error, context) => {
    if (error instanceof HTTPException) return error.getResponse()
    if (isCutOff(error, context.req.raw)) {
      deps.log.info(
        { method: context.req.method, path: context.req.path },
        'a request was cut off by its client',
      )
      return context.body(null, 400)
    }
    if (isEntraSyncError(error)) {
      const status = statusOf(error)
      if (status === 503) deps.log.warn({ err: error, path: context.req.path }, 'a request failed')
      const { code, message, remedy } = error
      return failureAnswer(context, { error: code, message, remedy }, status)
    }
    deps.log.error({ err: error, method: context.req.method, path: context.req.path }, 'a request failed')
    const message = 'The daemon failed at this request.'
    return failureAnswer(context, { error: 'failed', message, remedy: 'See the log of the daemon.' }, 500)
  })
  return app
}

function listenError(error: NodeJS.ErrnoException, { host, port }: Config['http']): EntraSyncError {
  const inUse = error.code === 'EADDRINUSE'
  return new EntraSyncError(
    'config',
    `Can't listen on ${host}:${port}: ${inUse ? 'it is in use' : describeError(error)}.`,
    {
      code: inUse ? 'http_port_in_use' : 'http_listen_failed',
      remedy: inUse ? 'Stop what uses it, or set another HTTP_PORT.' : 'Check HTTP_HOST and HTTP_PORT.',
      cause: error,
    },
  )
}
