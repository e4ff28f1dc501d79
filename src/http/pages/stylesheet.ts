import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Hono } from 'hono'
import { stylesheetPath, type HttpEnv } from '../access.ts'

const text = readFileSync(new URL('console.css', import.meta.url), 'utf8')

/** Where pages find the stylesheet: another address with each version of it, so that browsers may keep it. */
export const stylesheetUrl = `${stylesheetPath}?v=${createHash('sha256').update(text).digest('hex').slice(0, 12)}`

/** Serves the one stylesheet of all pages; it needs no sign-in. */
export function addStylesheet(app: Hono<HttpEnv>): void {
  app.get(stylesheetPath, (context) =>
    context.body(text, 200, { 'Content-Type': 'text/css; charset=utf-8', 'Cache-Control': 'max-age=86400' }),
  )
}
