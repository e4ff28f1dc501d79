import { z } from 'zod'
import { listKnownCustomers } from '../../consent/customers/customers.ts'
import { discoverAll, importAndSync, importInput } from '../customer-acts.ts'
import { moment, route } from './route.ts'

const tag = 'Customers'

const customer = z
  .object({
    entraTenantId: z.guid(),
    displayName: z.string().nullable(),
    partnerEntraTenantId: z.guid(),
    imported: z.boolean(),
    gdapActive: z.boolean(),
    gdapEndsAt: moment.nullable(),
    missingSince: moment.nullable(),
  })
  .meta({ id: 'Customer' })

export const customerRoutes = [
  route({
    method: 'get',
    path: '/customers',
    operationId: 'listCustomers',
    summary: "All customers that a partner's list has named",
    tag,
    response: z.object({ items: z.array(customer) }),
    run: async ({ db }) => ({ items: await listKnownCustomers(db) }),
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
    summary: 'Make tenants of customers and have them synced',
    tag,
    body: importInput,
    response: z.object({ imported: z.array(z.guid()), already: z.array(z.guid()) }),
    run: (deps, { body, signedIn }) => importAndSync(deps, body, signedIn.name),
  }),
]
