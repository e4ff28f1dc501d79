import { z } from 'zod'
import { listKnownCustomers, type CustomerRow } from '../../consent/customers/customers.ts'
import { EntraSyncError } from '../../errors.ts'
import { detach, detachPreview, discoverAll, importAndSync, importInput } from '../acts/customers.ts'
import { listOf, moment, ofEntraTenant, pageOf, paging, route } from './route.ts'

const tag = 'Customers'

const role = z.object({ templateId: z.string(), name: z.string().nullable() })

const customer = z
  .object({
    entraTenantId: z.guid(),
    displayName: z.string().nullable(),
    partnerEntraTenantId: z.guid(),
    partnerName: z.string(),
    defaultDomain: z.string().nullable(),
    domains: z.array(z.string()),
    relationships: z.array(
      z.object({
        relationshipId: z.string(),
        displayName: z.string().nullable(),
        status: z.string(),
        counts: z.boolean().meta({ description: 'it lets the partner in' }),
        roles: z.array(role),
        activatedAt: moment.nullable(),
        endsAt: moment.nullable(),
        autoExtends: z.boolean(),
        missingSince: moment.nullable(),
      }),
    ),
    roles: z.array(role).meta({ description: "of this partner's relationships that count" }),
    preConsentRoles: z.object({
      applicationAdministrator: z.boolean(),
      privilegedRoleAdministrator: z.boolean(),
    }),
    gdapActive: z.boolean(),
    gdapEndsAt: moment.nullable(),
    gdapAutoExtends: z.boolean(),
    imported: z.boolean(),
    kind: z.string().nullable(),
    state: z.string().nullable(),
    consent: z.string().nullable().meta({ description: 'null = never proved' }),
    tenant: z.object({ tenantId: z.guid(), name: z.string() }).nullable(),
    firstSeenAt: moment,
    isNew: z.boolean(),
    missingSince: moment.nullable(),
    proposal: z
      .object({
        tenantId: z.guid(),
        tenantName: z.string(),
        by: z.enum(['domain', 'name']),
        matched: z.string(),
      })
      .nullable()
      .meta({ description: 'the tenant without a link that it seems to be' }),
    noProposal: z.string().nullable().meta({ description: 'why there is none though something matches' }),
  })
  .meta({ id: 'Customer' })

const detached = z
  .object({
    entraTenantId: z.guid(),
    name: z.string(),
    partnerEntraTenantId: z.guid(),
    partnerName: z.string(),
    appInUse: z.string().nullable(),
    appWanted: z.string().nullable(),
    scheduled: z.boolean(),
    state: z.string(),
  })
  .meta({ id: 'Detached' })

type Position = [entraTenantId: string, partnerEntraTenantId: string]
const positionOf = (row: CustomerRow): Position => [row.entraTenantId, row.partnerEntraTenantId]

export const customerRoutes = [
  route({
    method: 'get',
    path: '/customers',
    operationId: 'listCustomers',
    summary: "Customers that partners' lists have named; one that two partners reach is there twice",
    tag,
    query: z.object(paging(z.tuple([z.guid(), z.guid()]))),
    response: listOf(customer),
    async run({ db }, { query: { limit, cursor } }) {
      const all = await listKnownCustomers(db)
      const from = cursor === undefined ? 0 : indexAfter(all, cursor)
      return pageOf(all.slice(from, from + limit + 1), limit, positionOf, (row) => row)
    },
  }),
  route({
    method: 'post',
    path: '/customers/discover',
    operationId: 'discoverCustomers',
    summary: "Have every partner's customers and relationships read again",
    tag,
    status: 202,
    response: z.object({ partners: z.array(z.object({ entraTenantId: z.guid(), jobId: z.string() })) }),
    run: async (deps, { signedIn }) => ({ partners: await discoverAll(deps, signedIn.name) }),
  }),
  route({
    method: 'post',
    path: '/customers/import',
    operationId: 'importCustomers',
    summary: 'Make tenants of customers, or link them to tenants that exist, and have them synced',
    tag,
    body: importInput,
    response: z.object({
      imported: z.array(z.guid()),
      already: z.array(z.guid()),
      linked: z
        .array(
          z.object({
            entraTenantId: z.guid(),
            name: z.string(),
            tenantId: z.guid(),
            tenantName: z.string(),
            by: z.enum(['domain', 'name', 'operator']),
          }),
        )
        .default([]),
      left: z
        .array(
          z.object({
            entraTenantId: z.guid(),
            name: z.string(),
            code: z.string(),
            reason: z.string(),
          }),
        )
        .default([])
        .meta({ description: 'whom "all" left out, and why' }),
    }),
    run: (deps, { body, signedIn }) => importAndSync(deps, body, signedIn.name),
  }),
  route({
    method: 'get',
    path: '/customers/{id}/detach',
    operationId: 'previewDetach',
    summary: 'What detaching would mean; changes nothing',
    tag,
    params: ofEntraTenant,
    response: detached,
    run: (deps, { params: { id } }) => detachPreview(deps, id),
  }),
  route({
    method: 'post',
    path: '/customers/{id}/detach',
    operationId: 'detachCustomer',
    summary: 'Make a customer standalone: without a partner, read by its own consent',
    tag,
    params: ofEntraTenant,
    response: detached,
    run: (deps, { params: { id }, signedIn }) => detach(deps, id, signedIn.name),
  }),
]

function indexAfter(all: readonly CustomerRow[], [entraTenantId, partner]: Position): number {
  const index = all.findIndex(
    (row) => row.entraTenantId === entraTenantId && row.partnerEntraTenantId === partner,
  )
  if (index >= 0) return index + 1
  throw new EntraSyncError('input', 'The customer that the cursor stands at is not listed any more.', {
    code: 'cursor_gone',
    remedy: 'Read the list from its beginning.',
  })
}
