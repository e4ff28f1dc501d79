import { z } from 'zod'
import { readFreeze } from '../../db/fleet-freeze.ts'
import { readHoldLimits } from '../../db/hold-limits.ts'
import { freezeFleet, unfreezeFleet } from '../../holds/freeze.ts'
import { removeHoldLimits, setHoldLimits } from '../../holds/limits.ts'
import { targetContext } from '../acts/deployments.ts'
import { moment, ofEntraTenant, route } from './route.ts'

const tag = 'Holds'
const count = z.number().int()
const reason = z.string().trim().min(1).max(500).meta({ description: 'why, for whoever reads it later' })

const freeze = z.object({
  freeze: z
    .object({
      freezeId: z.guid(),
      startedAt: moment,
      startedBy: z.string().nullable().meta({ description: 'null = by itself' }),
      reason: z.string(),
    })
    .nullable(),
})

const limits = z.object({
  entraTenantId: z.guid(),
  holdMin: z.number().nullable(),
  holdPercent: z.number().nullable(),
  holdMax: z.number().nullable(),
  expiresAt: moment.nullable().meta({ description: 'null = they last' }),
  reason: z.string(),
  setBy: z.string(),
  setAt: moment,
})

const limitsInput = z.strictObject({
  holdMin: z.number().int().min(0).max(9_999_999).optional(),
  holdPercent: z.number().min(0).max(100).optional(),
  holdMax: z.number().int().min(0).max(9_999_999).optional(),
  until: z.coerce.date().nullable().default(null).meta({
    description: 'an override that ends then, within a week; without it they last, and are smaller',
  }),
  reason: z.string().trim().max(500).default(''),
})

/** The guard itself: the freeze, and limits of single Entra tenants. */
export const guardRoutes = [
  route({
    method: 'get',
    path: '/fleet-freeze',
    operationId: 'showFleetFreeze',
    summary: 'Whether all removals are frozen, since when and why; null = they are not',
    tag,
    response: freeze,
    async run({ db }) {
      return { freeze: await readFreeze(db) }
    },
  }),
  route({
    method: 'put',
    path: '/fleet-freeze',
    operationId: 'freezeFleet',
    summary: 'Stop all removals and unassignments of every tenant',
    tag,
    body: z.strictObject({ reason }),
    response: z.object({
      settled: z.boolean().meta({ description: 'false: what began before it is still at work' }),
    }),
    async run({ db }, { body, signedIn }) {
      return freezeFleet(db, { by: signedIn.name, reason: body.reason })
    },
  }),
  route({
    method: 'delete',
    path: '/fleet-freeze',
    operationId: 'unfreezeFleet',
    summary: 'End the freeze; what it kept back is judged as without it',
    tag,
    response: z.object({
      wasFrozen: z.boolean(),
      sets: count,
      removed: count,
      unassigned: count,
      held: count.meta({ description: 'sets that stay held by their size' }),
    }),
    async run(deps, { signedIn }) {
      return unfreezeFleet(targetContext(deps), signedIn.name)
    },
  }),
  route({
    method: 'get',
    path: '/hold-limits',
    operationId: 'listHoldLimits',
    summary: "Entra tenants with limits of the guard of their own, and the configuration's",
    tag,
    response: z.object({
      configured: z.object({ holdMin: z.number(), holdPercent: z.number(), holdMax: z.number() }),
      items: z.array(limits),
    }),
    async run({ db, guard }) {
      return { configured: guard, items: await readHoldLimits(db) }
    },
  }),
  route({
    method: 'put',
    path: '/entra-tenants/{id}/hold-limits',
    operationId: 'setHoldLimits',
    summary: "Set the guard's limits of one Entra tenant, lasting or until a day",
    tag,
    params: ofEntraTenant,
    body: limitsInput,
    response: z.object({ items: z.array(limits) }),
    async run({ db }, { params: { id }, body: { until, reason: why, ...given }, signedIn }) {
      await setHoldLimits(db, id, given, { until, reason: why, by: signedIn.name })
      return { items: await readHoldLimits(db, [id]) }
    },
  }),
  route({
    method: 'delete',
    path: '/entra-tenants/{id}/hold-limits',
    operationId: 'clearHoldLimits',
    summary: "Give an Entra tenant the configuration's limits again",
    tag,
    params: ofEntraTenant,
    response: z.object({ cleared: count }),
    async run({ db }, { params: { id }, signedIn }) {
      return { cleared: await removeHoldLimits(db, id, signedIn.name) }
    },
  }),
]
