import { z } from 'zod'
import { offboardInput, offboardNow, offboardPlan } from '../acts/offboard.ts'
import { moment, ofEntraTenant, route } from './route.ts'

const tag = 'Offboarding'

const count = z.number().int()

const plan = z
  .object({
    entraTenantId: z.guid(),
    name: z.string(),
    kind: z.enum(['partner', 'customer', 'standalone']),
    state: z.string(),
    offboardedAt: moment.nullable(),
    tenants: z.array(z.string()).meta({ description: 'linked tenants; they stay' }),
    counts: z.object({
      persons: count,
      groups: count,
      members: count,
      licenses: count,
      devices: count,
      skus: count,
      runs: count,
      openProblems: count,
      openHolds: count,
      targets: count,
    }),
    protectedPersons: z.array(z.string()).meta({ description: 'who can log in to ImmyBot' }),
    gdapActive: z.boolean(),
  })
  .meta({ id: 'OffboardPlan' })

export const offboardRoutes = [
  route({
    method: 'get',
    path: '/entra-tenants/{id}/offboard',
    operationId: 'planOffboard',
    summary: 'What offboarding would stop and delete; changes nothing',
    tag,
    params: ofEntraTenant,
    response: z.object({ plan, apps: z.array(z.string()) }),
    run: (deps, { params: { id } }) => offboardPlan(deps, id),
  }),
  route({
    method: 'post',
    path: '/entra-tenants/{id}/offboard',
    operationId: 'offboardEntraTenant',
    summary: 'Stop an Entra tenant for good; without purge it can be resumed',
    tag,
    params: ofEntraTenant,
    body: offboardInput,
    response: z.object({
      plan,
      stopped: z.object({
        at: moment,
        before: z.boolean().meta({ description: 'it had been offboarded before' }),
        runs: count,
        requests: count,
        tickets: count,
        states: count,
        preconsents: count,
        problems: count,
      }),
      grants: z.array(
        z.object({
          clientId: z.string(),
          name: z.string().nullable(),
          outcome: z.enum(['revoked', 'left']),
          revoked: z.array(z.string()),
          left: z.array(z.string()),
          why: z.string().nullable(),
          steps: z.string().nullable(),
        }),
      ),
      purged: z.record(z.string(), count).nullable().meta({ description: 'rows by table' }),
      unassigned: count.nullable().meta({ description: 'targets that a purge took away' }),
      left: z.array(z.string()).meta({ description: 'what a person has still to do, or to know' }),
    }),
    run: (deps, { params: { id }, body, signedIn }) => offboardNow(deps, id, body, signedIn.name),
  }),
]
