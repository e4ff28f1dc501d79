import type { Context, Hono } from 'hono'
import { isEntraSyncError } from '../../errors.ts'
import type { HttpEnv } from '../access.ts'
import type { ConsoleDeps } from '../console-deps.ts'
import { statusOf } from '../failure-status.ts'
import { consentRoutes } from './consent.ts'
import { customerRoutes } from './customers.ts'
import { deploymentRoutes } from './deployments.ts'
import { directoryRoutes } from './directory.ts'
import { entitlementRoutes } from './entitlements.ts'
import { entraTenantRoutes } from './entra-tenants.ts'
import { guardRoutes } from './guard.ts'
import { holdRoutes } from './holds.ts'
import { offboardRoutes } from './offboard.ts'
import { eventStream } from './events.ts'
import { openApi } from './openapi.ts'
import { permissionLevelRoutes } from './permission-level.ts'
import { recordRoutes } from './records.ts'
import { parsed } from '../input.ts'
import { preconsentRoutes } from './preconsent.ts'
import type { Route } from './route.ts'
import { targetChangeRoutes } from './target-changes.ts'
import { restoredRoutes } from './restored.ts'
import { tenantRoutes } from './tenants.ts'

export const apiPath = '/api/v1'

/** Every route of the API: what is not here is neither served nor documented. */
export const apiRoutes: readonly Route[] = [
  ...entraTenantRoutes,
  ...permissionLevelRoutes,
  ...consentRoutes,
  ...customerRoutes,
  ...tenantRoutes,
  ...preconsentRoutes,
  ...offboardRoutes,
  ...deploymentRoutes,
  ...directoryRoutes,
  ...entitlementRoutes,
  ...targetChangeRoutes,
  ...holdRoutes,
  ...guardRoutes,
  ...restoredRoutes,
  ...recordRoutes,
]

/** Adds the API and its document, to be mounted behind the guard. */
export function addApi(app: Hono<HttpEnv>, deps: ConsoleDeps): void {
  const document = openApi(apiRoutes, apiPath, deps.http.publicUrl)
  app.get('/api/openapi.json', (context) => context.json(document))
  for (const one of apiRoutes) {
    const path = apiPath + one.path.replace(/\{(\w+)\}/g, ':$1')
    app.on(one.method.toUpperCase(), path, (context) => answer(one, context, deps))
  }
}

async function answer(one: Route, context: Context<HttpEnv>, deps: ConsoleDeps): Promise<Response> {
  const signedIn = context.get('signedIn')
  if (one.role === 'operator' && signedIn.role !== 'operator') {
    const remedy = 'Use an ops token of an operator.'
    return context.json({ error: 'forbidden', message: 'A viewer may not do this.', remedy }, 403)
  }
  try {
    const params: unknown = parsed(one.params, context.req.param())
    const query: unknown = parsed(one.query, context.req.query())
    const body: unknown = parsed(one.body, await bodyOf(one, context))
    const input = { params, query, body, signedIn, signal: context.req.raw.signal }
    if (one.follow !== undefined) {
      const lastEventId = context.req.header('Last-Event-ID')
      return eventStream(await one.follow(deps, { ...input, lastEventId }), one.response, deps.log)
    }
    const result = await one.run(deps, input)
    // Parsed once more: what the schema does not name is not told.
    return context.json(one.response.parse(result), one.status)
  } catch (error) {
    if (!isEntraSyncError(error)) throw error
    const status = statusOf(error)
    if (status === 503) deps.log.warn({ err: error, operation: one.operationId }, 'an API call failed')
    const { code, message, remedy = null, requestId } = error
    return context.json({ error: code, message, remedy, ...(requestId && { requestId }) }, status)
  }
}

/** An absent body counts as an empty object, so that what has defaults only can be left out. */
async function bodyOf(one: Route, context: Context<HttpEnv>): Promise<unknown> {
  if (one.body.type === 'undefined') return undefined
  const text = await context.req.text()
  if (text.trim() === '') return {}
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
