import type { Kysely } from 'kysely'
import type { Database } from '../../db/tables.ts'
import { EntraSyncError } from '../../errors.ts'
import { listHolds, type ListedHold } from '../../holds/list.ts'

/** @throws kind `input`, code `hold_unknown` */
export async function readHold(db: Kysely<Database>, holdId: string): Promise<ListedHold> {
  const [hold] = await listHolds(db, { closed: true, holdId })
  if (hold !== undefined) return hold
  throw new EntraSyncError('input', 'There is no such hold.', {
    code: 'hold_unknown',
    remedy: 'The list of holds shows what is open; closed ones are kept for 90 days.',
  })
}
