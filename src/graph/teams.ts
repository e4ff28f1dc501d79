import { z } from 'zod'
import type { GraphClient } from './client.ts'
import { graphError } from './errors.ts'

const teamSchema = z.object({ isArchived: z.boolean().nullish() })

/**
 * Whether Teams are archived, by group id. A group that is no Team (any more), or whose answer does not say, is left
 * out. Throws as GraphClient does; 401 and 403 are access_lost, for `asOptional` to turn. Microsoft forbids tight
 * polling of Teams: at most daily for what has not changed.
 */
export async function readArchived(
  client: GraphClient,
  ids: string[],
  options: { signal?: AbortSignal | undefined } = {},
): Promise<Map<string, boolean>> {
  const archived = new Map<string, boolean>()
  const answers = await client.batch(
    ids.map((id) => ({ id, url: `/teams/${encodeURIComponent(id)}?$select=isArchived` })),
    options,
  )
  for (const [id, { status, body }] of answers) {
    if (status === 404) continue
    if (status >= 400) {
      throw graphError({
        status,
        body,
        requestId: undefined,
        resource: `/teams/${id}`,
        tenant: client.entraTenantId,
      })
    }
    const isArchived = teamSchema.safeParse(body).data?.isArchived
    if (isArchived != null) archived.set(id, isArchived)
  }
  return archived
}
