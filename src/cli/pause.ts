import { sql } from 'kysely'
import { reinstate } from '../consent/offboard/reinstate.ts'
import { audit } from '../db/audit.ts'
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

/** `resume ID`: due at once. One that was offboarded, and not purged, is taken back. */
export function resume(context: CommandContext, id: string): Promise<number> {
  return withDatabase(context, async (db) => {
    const tenant = await findEntraTenant(db, id)
    const { entraTenantId } = tenant
    const actor = actorOfCommand()
    const reinstated = await db.transaction().execute(async (transaction) => {
      if (await reinstate(transaction, entraTenantId)) {
        await audit(transaction, { actor, action: 'entra_tenant_reinstated', entraTenantId })
        return true
      }
      await sql`update entra_sync.entra_tenants set paused_at = null,
          next_sync_at = case when paused_at is null then next_sync_at else now() end
        where entra_tenant_id = ${entraTenantId}`.execute(transaction)
      await sql`insert into entra_sync.audit_log (actor, action, entra_tenant_id)
        values (${actor}, 'resume', ${entraTenantId})`.execute(transaction)
      return false
    })
    context.output.line(
      reinstated
        ? `${tenant.name} had been offboarded and is taken back: its consent is proved anew, and it is synced again where it holds.`
        : `${tenant.name} is synced again.`,
    )
    context.output.document({ entraTenantId, paused: false, reinstated })
    return 0
  })
}
