import { sql } from 'kysely'
import { actorOfCommand } from './actor.ts'
import { withDatabase, type CommandContext } from './context.ts'
import { findEntraTenant } from './find-tenant.ts'

/** `pause ID`: the scheduler leaves the Entra tenant alone until `resume`. Doing it twice is no fault. */
export function pause(context: CommandContext, id: string): Promise<number> {
  return withDatabase(context, async (db) => {
    const tenant = await findEntraTenant(db, id)
    await db.transaction().execute(async (transaction) => {
      await sql`update entra_sync.entra_tenants set paused_at = coalesce(paused_at, now())
        where entra_tenant_id = ${tenant.entraTenantId}`.execute(transaction)
      await sql`insert into entra_sync.audit_log (actor, action, entra_tenant_id)
        values (${actorOfCommand()}, 'pause', ${tenant.entraTenantId})`.execute(transaction)
    })
    context.output.line(`${tenant.name} is paused. A sync that runs now ends first.`)
    context.output.document({ entraTenantId: tenant.entraTenantId, paused: true })
    return 0
  })
}

/** `resume ID`: due at once. */
export function resume(context: CommandContext, id: string): Promise<number> {
  return withDatabase(context, async (db) => {
    const tenant = await findEntraTenant(db, id)
    await db.transaction().execute(async (transaction) => {
      await sql`update entra_sync.entra_tenants set paused_at = null,
          next_sync_at = case when paused_at is null then next_sync_at else now() end
        where entra_tenant_id = ${tenant.entraTenantId}`.execute(transaction)
      await sql`insert into entra_sync.audit_log (actor, action, entra_tenant_id)
        values (${actorOfCommand()}, 'resume', ${tenant.entraTenantId})`.execute(transaction)
    })
    context.output.line(`${tenant.name} is synced again.`)
    context.output.document({ entraTenantId: tenant.entraTenantId, paused: false })
    return 0
  })
}
