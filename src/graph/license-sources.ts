import { z } from 'zod'
import type { GraphClient } from './client.ts'
import { graphError } from './errors.ts'
import { cleanText, objectId, parseObjects } from './objects.ts'

export interface LicenseSource {
  skuId: string
  /** Object id of the group that brings the licence; null = assigned directly. */
  assignedByGroup: string | null
  state: string | null
  /** `CountViolation` and the like; null where there is none (Graph says `None`). */
  error: string | null
}

/** All sources of one user's licences, replacing what was known before. */
export interface UserLicenseSources {
  id: string
  sources: LicenseSource[]
}

const userSchema = z.object({
  id: z.string(),
  licenseAssignmentStates: z
    .array(
      z.object({
        skuId: z.string(),
        assignedByGroup: z.string().nullish(),
        state: z.string().nullish(),
        error: z.string().nullish(),
      }),
    )
    .nullish(),
})
const usersSchema = z.array(userSchema)

const select = '$select=id,licenseAssignmentStates'
// One $batch of 20 a page: what was read is written soon, and memory stays small.
const idsPerPage = 200

/**
 * Where users' licences come from; delta does not tell of it. `ids` null lists all users (999 a page); otherwise
 * those users, where a user that is gone meanwhile is left out. Throws as GraphClient does.
 */
export async function* readLicenseSources(
  client: GraphClient,
  ids: string[] | null,
  options: { signal?: AbortSignal | undefined } = {},
): AsyncGenerator<UserLicenseSources[], void, undefined> {
  if (ids === null) {
    for await (const page of client.pages(`/users?${select}&$top=999`, options)) yield parse(page.value)
    return
  }
  for (let from = 0; from < ids.length; from += idsPerPage) {
    const part = ids.slice(from, from + idsPerPage)
    const answers = await client.batch(
      part.map((id) => ({ id, url: `/users/${encodeURIComponent(id)}?${select}` })),
      options,
    )
    const users: unknown[] = []
    for (const [id, { status, body }] of answers) {
      if (status === 404) continue
      if (status >= 400) {
        throw graphError({
          status,
          body,
          requestId: undefined,
          resource: `/users/${id}`,
          tenant: client.entraTenantId,
        })
      }
      users.push(body)
    }
    yield parse(users)
  }
}

function parse(value: unknown): UserLicenseSources[] {
  const resource = '/users'
  return parseObjects(usersSchema, value, resource).map((user) => ({
    id: objectId(user.id, resource),
    sources: (user.licenseAssignmentStates ?? []).map((source) => ({
      skuId: objectId(source.skuId, resource),
      assignedByGroup: source.assignedByGroup ? objectId(source.assignedByGroup, resource) : null,
      state: source.state == null ? null : cleanText(source.state),
      error: source.error == null || source.error === 'None' ? null : cleanText(source.error),
    })),
  }))
}
