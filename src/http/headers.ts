import { randomBytes } from 'node:crypto'
import type { MiddlewareHandler } from 'hono'
import { consentPaths, dashboardPath, stylesheetPath, type HttpEnv } from './access.ts'

/**
 * Security headers of every answer. Scripts come from this server only and never inline, which is what an injected
 * display name would need. Inline styles need the answer's nonce, but for the dashboard: its dialogs and icons bring
 * style elements of their own.
 */
export function securityHeaders(secure: boolean): MiddlewareHandler<HttpEnv> {
  return async (context, next) => {
    const nonce = randomBytes(16).toString('base64')
    context.set('nonce', nonce)
    await next()
    const headers = context.res.headers
    const { pathname } = new URL(context.req.url)
    const dashboard = pathname === dashboardPath || pathname.startsWith(`${dashboardPath}/`)
    headers.set(
      'Content-Security-Policy',
      [
        "default-src 'none'",
        "script-src 'self'",
        `style-src 'self' ${dashboard ? "'unsafe-inline'" : `'nonce-${nonce}'`}`,
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
      ].join('; '),
    )
    headers.set('X-Content-Type-Options', 'nosniff')
    headers.set('X-Frame-Options', 'DENY')
    // Elsewhere not no-referrer: browsers then send `Origin: null` with our own forms, which we refuse.
    headers.set('Referrer-Policy', consentPaths.includes(pathname) ? 'no-referrer' : 'same-origin')
    headers.set('Cross-Origin-Opener-Policy', 'same-origin')
    headers.set('Cross-Origin-Resource-Policy', 'same-origin')
    headers.set('Permissions-Policy', 'camera=(), microphone=(), geolocation=()')
    if (secure) headers.set('Strict-Transport-Security', 'max-age=31536000')
    const kept = pathname === stylesheetPath || pathname.startsWith(`${dashboardPath}/static/`)
    if (!kept) headers.set('Cache-Control', 'no-store')
  }
}
