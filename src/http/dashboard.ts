import { createBullBoard } from '@bull-board/api'
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter'
import { HonoAdapter } from '@bull-board/hono'
import { serveStatic } from '@hono/node-server/serve-static'
import type { Queue } from 'bullmq'
import { Hono } from 'hono'
import { sql, type Kysely } from 'kysely'
import { z } from 'zod'
import type { OpsRole } from '../config.ts'
import type { Database } from '../db/tables.ts'
import { dashboardPath, type HttpEnv } from './access.ts'
import { parsed } from './input.ts'

export interface DashboardDeps {
  queues: Queue[]
  /** JSON schema of a queue's payloads by queue name: the dashboard's form for a new job shows it. */
  payloadSchemas?: Record<string, Record<string, unknown>>
  db: Kysely<Database>
}

/**
 * bull-board, once for each role: viewers get the read-only board. What operators change there goes to the audit log.
 * bull-board itself has no authentication: mount this behind the guard only.
 */
export function createDashboard(deps: DashboardDeps): Hono<HttpEnv> {
  const boards: Record<OpsRole, Hono> = { viewer: board(deps, true), operator: board(deps, false) }
  const app = new Hono<HttpEnv>()
  app.all('/*', async (context) => {
    const { role, name } = context.get('signedIn')
    const { method } = context.req
    const reading = method === 'GET' || method === 'HEAD'
    if (!reading && role !== 'operator') {
      return context.json(
        {
          error: 'forbidden',
          message: 'A viewer may not do this.',
          remedy: 'Sign in with an operator token to change queues.',
        },
        403,
      )
    }
    if (!reading) await refuseUnfit(context.req.raw.clone())
    const answer = await boards[role].fetch(context.req.raw)
    if (!reading && answer.ok) await audit(deps.db, name, `${method} ${context.req.path}`)
    if (!(answer.headers.get('content-type') ?? '').includes('text/html')) return answer
    return context.html(ownPage(await answer.text()), answer.status === 200 ? 200 : 500)
  })
  return app
}

/** The board's routes, for the test that asks every one of them without sign-in. */
export function boardRoutes(deps: DashboardDeps): { method: string; path: string }[] {
  return board(deps, false).routes.map(({ method, path }) => ({ method, path }))
}

function board(deps: DashboardDeps, readOnlyMode: boolean): Hono {
  const adapter = new HonoAdapter(serveStatic)
  adapter.setBasePath(dashboardPath)
  createBullBoard({
    queues: deps.queues.map((queue) => {
      const schema = deps.payloadSchemas?.[queue.name]
      return new BullMQAdapter(queue, { readOnlyMode, ...(schema && { jobDataSchema: schema }) })
    }),
    serverAdapter: adapter,
    options: { uiConfig: { boardTitle: readOnlyMode ? 'entra-sync (viewer)' : 'entra-sync' } },
  })
  // Its static files are found by the full path, so it needs to be mounted where it says it is.
  return new Hono().route(dashboardPath, adapter.registerPlugin())
}

/** Drops the link to a font host: the board works without, and nothing here should call the internet. */
function ownPage(page: string): string {
  return page.replace(/<link[^>]*fonts\.googleapis\.com[^>]*>/g, '')
}

/** What no queue can keep: the board itself takes anything, and answers with the fault of whoever chokes on it. */
async function refuseUnfit(request: Request): Promise<void> {
  let body: unknown
  try {
    body = JSON.parse(await request.text())
  } catch (error) {
    // The board takes what is no JSON for nothing.
    if (error instanceof SyntaxError) return
    throw error
  }
  parsed(z.unknown(), body)
}

async function audit(db: Kysely<Database>, actor: string, action: string): Promise<void> {
  await sql`insert into entra_sync.audit_log (actor, action) values (${actor}, ${action})`.execute(db)
}
