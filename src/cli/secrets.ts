import { sql } from 'kysely'
import { rotateSecrets } from '../db/sealed-rows.ts'
import { EntraSyncError } from '../errors.ts'
import { openKeyRing } from '../key-ring.ts'
import { actorOfCommand } from './actor.ts'
import { withDatabase, type CommandContext } from './context.ts'
import { explainFailure } from './failure.ts'

/** `secrets rotate`: seals every stored secret with the newest key; exit code 3 when some do not open. */
export function rotate(context: CommandContext): Promise<number> {
  const { output, signal, config } = context
  return withDatabase(context, async (db) => {
    const ring = await openKeyRing(config)
    const [newest] = ring
    if (newest === undefined) {
      throw new EntraSyncError('config', 'No encryption key is configured, so nothing can be rotated.', {
        code: 'encryption_key_missing',
        remedy: 'Set ENCRYPTION_KEY_FILE to a file with the new key first and the old ones after it.',
      })
    }
    const { resealed, current, closed } = await rotateSecrets(db, ring, { signal })
    const detail = { keyId: newest.id, resealed, current, closed: closed.length }
    await sql`insert into entra_sync.audit_log (actor, action, detail)
      values (${actorOfCommand()}, 'secrets_rotated', ${JSON.stringify(detail)}::jsonb)`.execute(db)
    output.line(
      `Key ${newest.id}: ${resealed} sealed anew, ${current} were already, ${closed.length} do not open.`,
    )
    const told = closed.map(({ table, id, entraTenantId, keyId, error }) => {
      const { message, remedy } = explainFailure(error).document
      output.line(`${table} ${id} (Entra tenant ${entraTenantId}): ${message} ${remedy ?? ''}`)
      return { table, id, entraTenantId, keyId, message, remedy }
    })
    if (closed.length === 0) output.line('The older keys can be removed from ENCRYPTION_KEY.')
    output.document({ keyId: newest.id, resealed, current, closed: told })
    return closed.length === 0 ? 0 : 3
  })
}
