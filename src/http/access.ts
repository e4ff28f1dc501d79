import { getConnInfo } from '@hono/node-server/conninfo'
import type { Context, MiddlewareHandler } from 'hono'
import { getCookie } from 'hono/cookie'
import type { OpsToken } from '../config.ts'
import type { Failures } from './failures.ts'
import { signedInByToken, sameSecret, type SignedIn, type Sessions } from './sessions.ts'

export interface HttpEnv {
  Variables: { signedIn: SignedIn; nonce: string }
}

export interface Access {
  tokens: OpsToken[]
  sessions: Sessions
  failures: Failures
  /** Origins that our own pages have; known when the port is. */
  origins: () => string[]
  /** Cookies only travel over https then. */
  secure: boolean
  metricsToken: string | null
}

export const dashboardPath = '/queues'
export const stylesheetPath = '/console.css'

/** Where an admin's link leads to, and where Microsoft sends them back to; some put a slash behind it. */
export const consentPaths = ['/consent/start', '/consent-callback', '/consent-callback/']

/** Routes that answer without sign-in. /metrics has a rule of its own. Everything else is denied by default. */
export const openRoutes = ['/livez', '/readyz', '/sign-in', stylesheetPath, ...consentPaths]
const loopback = /^(127\.|::1$|::ffff:127\.)/

export const cookieName = (secure: boolean): string => (secure ? '__Host-entra-sync' : 'entra-sync')

export function addressOf(context: Context): string {
  return getConnInfo(context).remote.address ?? 'unknown'
}

/** Lets a request pass that its path, its session cookie or its bearer token allows; else 401 or the sign-in page. */
export function guard(access: Access): MiddlewareHandler<HttpEnv> {
  return async (context, next) => {
    const { path, method } = context.req
    const reading = method === 'GET' || method === 'HEAD'
    if (path === '/metrics' && mayReadMetrics(access, context)) return next()
    if (openRoutes.includes(path) && (reading || fromOurPages(access, context))) return next()
    if (openRoutes.includes(path)) return context.text('This request comes from another site.\n', 403)

    const bearer = bearerOf(context)
    if (bearer !== null) {
      const wait = access.failures.waitSeconds(addressOf(context))
      if (wait > 0) return tooMany(context, wait)
      const signedIn = signedInByToken(access.tokens, bearer)
      if (signedIn === null) {
        access.failures.add(addressOf(context))
        return unauthorized(context)
      }
      // A browser never sends this header by itself, so there is nothing to forge.
      context.set('signedIn', signedIn)
      return next()
    }
    const signedIn = access.sessions.find(getCookie(context, cookieName(access.secure)) ?? '')
    if (signedIn === null) {
      const forPeople = (context.req.header('accept') ?? '').includes('text/html')
      return forPeople ? context.redirect('/sign-in', reading ? 302 : 303) : unauthorized(context)
    }
    if (!reading && !fromOurPages(access, context))
      return context.text('This request comes from another site.\n', 403)
    context.set('signedIn', signedIn)
    return next()
  }
}

export function tooMany(context: Context, seconds: number): Response {
  return context.text('Too many failed tries. Wait, then try again.\n', 429, {
    'Retry-After': String(seconds),
  })
}

function unauthorized(context: Context): Response {
  const body = {
    error: 'unauthorized',
    message: 'Nobody is signed in.',
    remedy: 'Sign in at /sign-in or send Authorization: Bearer with an ops token.',
  }
  return context.json(body, 401, { 'WWW-Authenticate': 'Bearer realm="entra-sync"' })
}

/** SameSite=Strict alone treats other ports and subdomains of the same site as ours; Origin does not. */
function fromOurPages(access: Access, context: Context): boolean {
  const origin = context.req.header('origin')
  return origin !== undefined && access.origins().includes(origin)
}

function bearerOf(context: Context): string | null {
  return /^Bearer +(\S+)$/i.exec(context.req.header('authorization') ?? '')?.[1] ?? null
}

/**
 * With METRICS_TOKEN: that token. Without: loopback clients that were not forwarded by a proxy and that ask for a
 * loopback name (a web page that makes its own name point here is refused). An ops token passes the usual way.
 */
function mayReadMetrics(access: Access, context: Context): boolean {
  const bearer = bearerOf(context)
  if (access.metricsToken !== null) return bearer !== null && sameSecret(bearer, access.metricsToken)
  const forwarded = ['forwarded', 'x-forwarded-for', 'x-real-ip'].some(
    (name) => context.req.header(name) !== undefined,
  )
  const asked = URL.parse(`http://${context.req.header('host') ?? ''}`)?.hostname ?? ''
  return (
    bearer === null &&
    !forwarded &&
    loopback.test(addressOf(context)) &&
    ['localhost', '127.0.0.1', '[::1]'].includes(asked)
  )
}
