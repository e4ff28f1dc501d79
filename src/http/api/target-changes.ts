import { z } from 'zod'
import { listTenants } from '../../consent/links/tenants.ts'
import { readChanges, readFeedEnds } from '../../db/target-feed.ts'
import { EntraSyncError } from '../../errors.ts'
import { nameChanges } from '../../targets/changes.ts'
import { followChanges } from '../../targets/follow.ts'
import { readSnapshot } from '../../targets/snapshot.ts'
import type { ConsoleDeps } from '../console-deps.ts'
import { parsed, uuid } from '../input.ts'
import type { EventSource } from './events.ts'
import { moment, pageOf, paging, route } from './route.ts'

const tag = 'Deployments'
const seq = z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER)
const subjectKind = z.enum(['person', 'computer'])
const reason = z.record(z.string(), z.unknown()).meta({ description: 'by: why; with what that went by' })
const facts = z
  .object({
    deployment_id: z.guid(),
    scope: z.string(),
    version: z.string(),
    desired_state: z.string(),
    enforcement: z.string(),
  })
  .nullable()

const targetChange = z
  .object({
    seq: z.number().int(),
    at: moment,
    tenantId: z.guid(),
    tenant: z.string().nullable(),
    subjectKind,
    subjectId: z.guid(),
    subject: z.string().nullable(),
    itemId: z.guid(),
    item: z.string().nullable(),
    deployment: z.string().nullable(),
    change: z.enum(['assigned', 'changed', 'unassigned']),
    reason,
    before: facts.meta({ description: 'null = it was not targeted' }),
    after: facts.meta({ description: 'null = it is targeted no longer' }),
    runId: z.guid().nullable(),
    deliberate: z.boolean().meta({ description: "follows from an operator's act or a first resolution" }),
  })
  .meta({ id: 'TargetChange' })

const target = z
  .object({
    tenantId: z.guid(),
    subjectKind,
    subjectId: z.guid(),
    itemId: z.guid(),
    deploymentId: z.guid(),
    scope: z.string(),
    version: z.string(),
    desiredState: z.string(),
    enforcement: z.string(),
    reason,
    since: moment,
  })
  .meta({ id: 'Target' })

/** A seq goes along: all pages tell the one of the first, since a change may have passed between two of them. */
const position = z.object({ seq, subjectId: uuid, itemId: uuid })
const ofTenant = uuid.optional().meta({ description: 'of one tenant only' })

export const targetChangeRoutes = [
  route({
    method: 'get',
    path: '/target-changes',
    operationId: 'listTargetChanges',
    summary:
      'Changes of deployment targets after a seq, in commit order. 409: take a snapshot and go on from its seq',
    tag,
    query: z.object({
      after: seq.default(0),
      max: z.coerce.number().int().min(1).max(1000).default(100),
      tenantId: ofTenant,
    }),
    response: z.object({
      items: z.array(targetChange),
      next: z.number().int().meta({ description: '`after` of the next call' }),
      lastSeq: z.number().int().meta({ description: 'where the feed ends' }),
    }),
    async run({ db }, { query: { after, max, tenantId } }) {
      await assertTenant(db, tenantId)
      const page = await readChanges(db, { after, max, tenantId: tenantId ?? null })
      const { next, lastSeq } = page
      return { items: await nameChanges(db, page.changes), next, lastSeq }
    },
  }),
  route({
    method: 'get',
    path: '/target-changes/stream',
    operationId: 'followTargetChanges',
    summary:
      'The same as server-sent events, for as long as one listens: the id of each is its seq, Last-Event-ID goes on after it. Without it and `after`, what comes from now on',
    tag,
    query: z.object({ after: seq.optional(), tenantId: ofTenant }),
    response: targetChange,
    async follow({ db, feedBell: bell, log }, { query, lastEventId }): Promise<EventSource> {
      const { tenantId = null } = query
      await assertTenant(db, query.tenantId)
      const given = lastEventId ? parsed(seq, lastEventId) : query.after
      const after = given ?? (await readFeedEnds(db)).lastSeq
      // A reader who has to take a snapshot is told by the status, before the stream begins.
      await readChanges(db, { after, max: 0 })
      return async function* (signal) {
        for await (const page of followChanges(db, { bell, after, signal, log, tenantId }))
          for (const change of await nameChanges(db, page)) yield { id: String(change.seq), data: change }
      }
    },
  }),
  route({
    method: 'get',
    path: '/target-snapshot',
    operationId: 'readTargetSnapshot',
    summary:
      'All targets, page by page, and the seq from which to go on: changes after it, applied to these, lead to the targets as they are',
    tag,
    query: z.object({ ...paging(position), tenantId: ofTenant }),
    response: z.object({
      seq: z.number().int(),
      items: z.array(target),
      nextCursor: z.string().nullable(),
    }),
    async run({ db }, { query: { limit, cursor, tenantId } }) {
      await assertTenant(db, tenantId)
      const read = await readSnapshot(db, {
        tenantId: tenantId ?? null,
        page: { limit: limit + 1, from: cursor },
      })
      const first = cursor?.seq ?? read.seq
      const page = pageOf(
        read.targets,
        limit,
        ({ subjectId, itemId }) => ({ seq: first, subjectId, itemId }),
        (one) => one,
      )
      return { seq: first, ...page }
    },
  }),
]

async function assertTenant(db: ConsoleDeps['db'], tenantId: string | undefined): Promise<void> {
  if (tenantId === undefined || (await listTenants(db, tenantId)).length > 0) return
  throw new EntraSyncError('input', `There is no tenant ${tenantId}.`, {
    code: 'tenant_unknown',
    remedy: 'GET /api/v1/tenants lists them.',
  })
}
