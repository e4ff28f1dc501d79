import { z } from 'zod'
import { addTenant, listTenants } from '../../consent/links/tenants.ts'
import { EntraSyncError } from '../../errors.ts'
import { uuid } from '../input.ts'
import { resolveTenantNow } from '../acts/resolve.ts'
import { linkInput, linkNow, unlinkInput, unlinkNow } from '../acts/links.ts'
import { listOf, pageOf, paging, route } from './route.ts'

const tag = 'Tenants'
const ofTenant = z.object({ id: uuid.meta({ description: 'tenant id' }) })

const tenant = z
  .object({
    tenantId: z.guid(),
    name: z.string(),
    slug: z.string(),
    isMsp: z.boolean(),
    parentTenantId: z.string().nullable(),
    parent: z.string().nullable(),
    inCrossTenantDeployments: z.boolean(),
    entraTenantId: z.string().nullable().meta({ description: 'null = not linked' }),
    entraTenant: z.string().nullable(),
    domains: z.array(z.string()).meta({ description: 'that it owns; empty with a default link' }),
    kind: z.string().nullable(),
    state: z.string().nullable(),
    consent: z.string().nullable(),
    persons: z.number().int(),
  })
  .meta({ id: 'Tenant' })

const change = z
  .object({
    entraTenantId: z.guid(),
    applied: z.boolean().meta({ description: 'false for a preview: nothing was changed' }),
    changed: z.boolean().meta({ description: 'false when everything was like this before' }),
    reasons: z.array(z.string()).meta({ description: 'what wants a confirmation' }),
    moves: z.array(
      z.object({
        fromTenantId: z.string().nullable(),
        fromTenant: z.string().nullable(),
        toTenantId: z.string().nullable(),
        toTenant: z.string().nullable(),
        persons: z.number().int(),
        samples: z.array(z.string()),
        protectedPersons: z.array(z.string()),
      }),
    ),
    parents: z.array(
      z.object({
        tenantId: z.guid(),
        tenant: z.string(),
        fromParent: z.string().nullable(),
        toParent: z.string().nullable(),
        replaced: z.boolean(),
      }),
    ),
  })
  .meta({ id: 'LinkChange' })

export const tenantRoutes = [
  route({
    method: 'get',
    path: '/tenants',
    operationId: 'listTenants',
    summary: 'ImmyBot tenants with their links, the MSP first, then by name',
    tag,
    query: z.object(paging(z.guid())),
    response: listOf(tenant),
    async run({ db }, { query: { limit, cursor } }) {
      const all = await listTenants(db)
      const at = cursor === undefined ? -1 : all.findIndex(({ tenantId }) => tenantId === cursor)
      if (cursor !== undefined && at < 0) {
        throw new EntraSyncError('input', 'The tenant that the cursor stands at is not there any more.', {
          code: 'cursor_gone',
          remedy: 'Read the list from its beginning.',
        })
      }
      return pageOf(
        all.slice(at + 1, at + 2 + limit),
        limit,
        ({ tenantId }) => tenantId,
        (row) => row,
      )
    },
  }),
  route({
    method: 'post',
    path: '/tenants',
    operationId: 'addTenant',
    summary: 'Make an ImmyBot tenant without a link',
    tag,
    body: z.strictObject({
      name: z.string().min(1).max(200),
      slug: z.string().max(100).optional().meta({ description: 'left out: made of the name' }),
      parentTenantId: uuid.optional(),
    }),
    status: 201,
    response: z.object({ tenantId: z.guid(), name: z.string(), slug: z.string() }),
    run: ({ db }, { body, signedIn }) => addTenant(db, { ...body, actor: signedIn.name }),
  }),
  route({
    method: 'post',
    path: '/tenants/{id}/link',
    operationId: 'linkTenant',
    summary: 'Link a tenant to an Entra tenant, by default or for some domains; or tell what that would do',
    tag,
    params: ofTenant,
    body: linkInput,
    response: change.extend({ entraTenant: z.string().nullable(), next: z.string().nullable() }),
    run: (deps, { params: { id }, body, signedIn, signal }) => linkNow(deps, id, body, signedIn.name, signal),
  }),
  route({
    method: 'post',
    path: '/tenants/{id}/unlink',
    operationId: 'unlinkTenant',
    summary: 'Take links of a tenant away, all or those of some domains; or tell what that would do',
    tag,
    params: ofTenant,
    body: unlinkInput,
    response: change,
    run: (deps, { params: { id }, body, signedIn }) => unlinkNow(deps, id, body, signedIn.name),
  }),
  route({
    method: 'post',
    path: '/tenants/{id}/resolve',
    operationId: 'resolveTenant',
    summary: "Ask for a tenant's targets to be resolved anew, with those of its Entra tenant's other tenants",
    tag,
    params: ofTenant,
    status: 202,
    response: z.object({
      tenantId: z.guid(),
      jobId: z.string(),
      frozen: z.string().nullable().meta({ description: 'why they stay as they are for now' }),
    }),
    run: ({ db, jobs }, { params: { id }, signedIn }) => resolveTenantNow(db, jobs, id, signedIn.name),
  }),
]
