import { sql, type Kysely } from 'kysely'
import type { Database } from '../../db/tables.ts'
import type { Log } from '../../log.ts'
import { offboardedAction } from './stop.ts'

/** A transaction that took its number earlier may commit after a later one. */
const overlap = 1000

export interface ForgettingContext {
  db: Kysely<Database>
  forgetTokens(entraTenantId: string): void
  log: Log
  everyMs?: number
}

/**
 * Has this process forget the tokens of Entra tenants that any process offboards, purged ones too, within `everyMs`
 * (15 s). The audit log tells of them: it is what stays of each.
 */
export function startForgetting({ db, forgetTokens, log, everyMs = 15_000 }: ForgettingContext): {
  stop(): Promise<void>
} {
  const known = new Set<number>()
  let floor: number | null = null
  const look = async (): Promise<void> => {
    try {
      const { rows: tops } = await sql<{ top: number }>`
        select coalesce(max(audit_id), 0) as top from entra_sync.audit_log`.execute(db)
      const top = tops[0]?.top ?? 0
      const { rows } = await sql<{ auditId: number; entraTenantId: string }>`
        select audit_id as "auditId", entra_tenant_id as "entraTenantId" from entra_sync.audit_log
        where audit_id > ${(floor ?? top) - overlap} and action = ${offboardedAction}`.execute(db)
      for (const { auditId, entraTenantId } of rows) {
        if (!known.has(auditId)) forgetTokens(entraTenantId)
        known.add(auditId)
      }
      floor = top
    } catch (error) {
      log.debug({ err: error }, 'the audit log could not be read; it is tried again')
    }
  }
  let running = look()
  const timer = setInterval(() => {
    running = running.then(look)
  }, everyMs)
  timer.unref()
  return {
    async stop() {
      clearInterval(timer)
      await running
    },
  }
}
