import type { Kysely } from 'kysely'
import { mergeRequest } from '../db/requests.ts'
import type { Database } from '../db/tables.ts'
import { EntraSyncError } from '../errors.ts'
import { collectionNames } from './collections.ts'

/**
 * Asks for a sync of an Entra tenant. The wish merges with what is already wanted: full beats delta, collections unite
 * (absent = all), the lowest priority number wins. It is served once `sync_requests.served_seq` reached the answer.
 * Throws kind input for a collection that does not exist.
 */
export async function requestSync(
  db: Kysely<Database>,
  wish: {
    entraTenantId: string
    mode?: 'delta' | 'full'
    collections?: string[]
    requestedBy: string
    priority: number
  },
): Promise<{ requestSeq: number }> {
  const unknown = wish.collections?.filter((name) => !collectionNames.includes(name)) ?? []
  if (unknown.length > 0) {
    throw new EntraSyncError('input', `There is no collection ${unknown.join(', ')}.`, {
      code: 'unknown_collection',
      tenant: wish.entraTenantId,
      remedy: `Collections are ${collectionNames.join(', ')}.`,
    })
  }
  const requestSeq = await mergeRequest(db, wish.entraTenantId, {
    mode: wish.mode ?? 'delta',
    collections: wish.collections === undefined || wish.collections.length === 0 ? null : wish.collections,
    priority: wish.priority,
    requestedBy: wish.requestedBy,
  })
  return { requestSeq }
}
