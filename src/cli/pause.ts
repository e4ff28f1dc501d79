import { pauseEntraTenant, resumeEntraTenant } from '../consent/offboard/pausing.ts'
import { actorOfCommand } from './actor.ts'
import { withDatabase, type CommandContext } from './context.ts'
import { findEntraTenant } from './find-tenant.ts'

/** `pause ID`: the scheduler leaves the Entra tenant alone until `resume`. Doing it twice is no fault. */
export function pause(context: CommandContext, id: string): Promise<number> {
  return withDatabase(context, async (db) => {
    const { entraTenantId, name } = await findEntraTenant(db, id)
    await pauseEntraTenant(db, { entraTenantId, actor: actorOfCommand() })
    context.output.line(`${name} is paused. A sync that runs now ends first.`)
    context.output.document({ entraTenantId, paused: true })
    return 0
  })
}

/** `resume ID`: due at once. One that was offboarded, and not purged, is taken back. */
export function resume(context: CommandContext, id: string): Promise<number> {
  return withDatabase(context, async (db) => {
    const { entraTenantId, name } = await findEntraTenant(db, id)
    const { reinstated } = await resumeEntraTenant(db, { entraTenantId, actor: actorOfCommand() })
    context.output.line(
      reinstated
        ? `${name} had been offboarded and is taken back: its consent is proved anew, and it is synced again where it holds.`
        : `${name} is synced again.`,
    )
    context.output.document({ entraTenantId, paused: false, reinstated })
    return 0
  })
}
