import { restoredBy } from '../restore/restored.ts'
import { actorOfCommand } from './actor.ts'
import { withDatabase, type CommandContext } from './context.ts'
import { number } from './text.ts'

/** `restored`: tells that the database was restored from a backup. */
export function restored(context: CommandContext): Promise<number> {
  return withDatabase(context, async (db) => {
    const { output } = context
    const done = await restoredBy(db, actorOfCommand())
    output.document(done)
    output.line(
      `Noted. All ${number(done.entraTenants)} Entra tenants are read whole, within the next ten minutes and as workers come to them. Until then nothing of theirs is removed, and their targets stay as they are.`,
    )
    if (done.holds > 0)
      output.line(`${number(done.holds)} open holds of removals are void; what is gone is held again.`)
    output.line(`The change feed goes on at ${done.feedSeq}: its readers are told to take a snapshot.`)
    output.line('entra-sync status shows how far it is.')
    return 0
  })
}
