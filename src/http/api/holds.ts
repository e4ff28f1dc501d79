import { z } from 'zod'
import { holdHash } from '../../db/holds.ts'
import { approveHold, previewHold, rejectHold } from '../../holds/decide.ts'
import { listHolds, type ListedHold } from '../../holds/list.ts'
import { readHoldSamples } from '../../holds/samples.ts'
import { reasonOfHold, whatOfHold } from '../../holds/words.ts'
import { targetContext } from '../acts/deployments.ts'
import { readHold } from '../acts/holds.ts'
import { uuid } from '../input.ts'
import { effectSchema } from './deployment-schemas.ts'
import { listOf, moment, pageOf, paging, route } from './route.ts'

const tag = 'Holds'
const count = z.number().int()
const ofHold = z.object({ id: uuid.meta({ description: 'id of the hold' }) })
const reason = z.string().trim().min(1).max(500).meta({ description: 'why, for whoever reads it later' })

const hold = z
  .object({
    holdId: z.guid(),
    kind: z.enum(['person', 'group', 'membership', 'license', 'device', 'sku', 'target']),
    entraTenantId: z.string().nullable(),
    name: z.string().meta({ description: 'of the Entra tenant, or of the tenant where there is none' }),
    tenantId: z.string().nullable(),
    tenant: z.string().nullable(),
    deployment: z.string().nullable().meta({ description: 'null = judged as one set of the tenant' }),
    direction: z.enum(['assign', 'unassign']).nullable(),
    group: z.string().nullable().meta({ description: 'that a deployment names and that would lose these' }),
    reason: z.string(),
    reasonText: z.string(),
    what: z.string().meta({ description: 'what would happen, in words' }),
    size: count.meta({ description: 'kept back now: less than at first where some has come back' }),
    ofTotal: count,
    status: z.enum(['open', 'approved', 'rejected', 'withdrawn']),
    createdAt: moment,
    closedAt: moment.nullable(),
    closedBy: z.string().nullable(),
    closeReason: z.string().nullable(),
    appliedAt: moment.nullable(),
  })
  .meta({ id: 'Hold' })

const item = z
  .object({
    name: z.string(),
    of: z.string().nullable(),
    now: z.string().nullable(),
    wanted: z.string().nullable(),
  })
  .meta({ id: 'HoldItem' })

const applied = z.object({
  applied: count.meta({ description: 'rows removed; of kind target changes of targets' }),
  frozen: z.string().nullable().meta({ description: 'why the targets follow later only; null = at once' }),
  effect: effectSchema,
})

const told = (row: ListedHold) => ({ ...row, reasonText: reasonOfHold(row), what: whatOfHold(row) })

export const holdRoutes = [
  route({
    method: 'get',
    path: '/holds',
    operationId: 'listHolds',
    summary: 'Changes too large to be believed, which wait for an operator; the newest first',
    tag,
    query: z.object({
      ...paging(z.object({ createdAt: z.coerce.date(), holdId: uuid })),
      closed: z.enum(['true', 'false']).default('false').meta({ description: 'closed ones, too' }),
      entraTenant: uuid.optional(),
    }),
    response: listOf(hold),
    async run({ db }, { query: { limit, cursor, closed, entraTenant } }) {
      const rows = await listHolds(db, {
        closed: closed === 'true',
        entraTenantId: entraTenant ?? null,
        limit: limit + 1,
        ...(cursor !== undefined && { after: cursor }),
      })
      return pageOf(rows, limit, ({ createdAt, holdId }) => ({ createdAt, holdId }), told)
    },
  }),
  route({
    method: 'get',
    path: '/holds/{id}',
    operationId: 'showHold',
    summary: 'One hold, the hash of the set that it keeps back now, and what that is',
    tag,
    params: ofHold,
    query: z.object({ items: z.coerce.number().int().min(0).max(10_000).default(100) }),
    response: hold.extend({ hash: z.string(), items: z.array(item) }),
    async run({ db }, { params: { id }, query }) {
      const row = await readHold(db, id)
      const [hash, items] = await Promise.all([holdHash(db, id), readHoldSamples(db, row, query.items)])
      return { ...told(row), hash, items }
    },
  }),
  route({
    method: 'get',
    path: '/holds/{id}/effect',
    operationId: 'previewHold',
    summary: 'What approving a hold would do to the targets now; null when it is closed',
    tag,
    params: ofHold,
    response: z.object({ preview: applied.nullable() }),
    async run(deps, { params: { id } }) {
      return { preview: await previewHold(targetContext(deps), id, 100) }
    },
  }),
  route({
    method: 'post',
    path: '/holds/{id}/approve',
    operationId: 'approveHold',
    summary: 'Apply exactly the set that was shown, once; refused (409) when it is another by now',
    tag,
    params: ofHold,
    body: z.strictObject({ hash: z.string().regex(/^[0-9a-f]{64}$/, 'is no hash of a hold') }),
    response: applied,
    async run(deps, { params: { id }, body, signedIn }) {
      return approveHold(targetContext(deps), { holdId: id, hash: body.hash, by: signedIn.name }, 100)
    },
  }),
  route({
    method: 'post',
    path: '/holds/{id}/reject',
    operationId: 'rejectHold',
    summary: 'Keep all that a hold names: neither removed nor held again for 30 days',
    tag,
    params: ofHold,
    body: z.strictObject({ reason }),
    response: z.object({ rejected: z.literal(true) }),
    async run({ db }, { params: { id }, body, signedIn }) {
      await rejectHold(db, { holdId: id, by: signedIn.name, reason: body.reason })
      return { rejected: true } as const
    },
  }),
]
