import { z } from 'zod'
import { listTenants } from '../../consent/links/tenants.ts'
import { EntraSyncError } from '../../errors.ts'
import { readEntitlements } from '../../targets/entitlements/read.ts'
import { uuid } from '../input.ts'
import { route } from './route.ts'

const source = z.enum(['built_in', 'configuration'])

const entitlement = z
  .object({
    entitlement: z.string(),
    productName: z.string(),
    yieldsTo: z.string().nullable().meta({ description: 'who has that one too gets that one only' }),
    source,
    plans: z.array(z.object({ servicePlanId: z.guid(), servicePlanName: z.string(), source })),
    skus: z
      .array(
        z.object({
          skuId: z.guid(),
          skuPartNumber: z.string(),
          productName: z.string().nullable(),
          servicePlanNames: z.array(z.string()),
          entraTenants: z.number().int(),
        }),
      )
      .meta({ description: 'subscribed ones whose licences count now' }),
    persons: z.number().int(),
    tenants: z
      .array(z.object({ tenantId: z.guid(), name: z.string(), persons: z.number().int() }))
      .meta({ description: 'those with somebody who is entitled' }),
  })
  .meta({ id: 'AppEntitlement' })

export const entitlementRoutes = [
  route({
    method: 'get',
    path: '/entitlements',
    operationId: 'listEntitlements',
    summary:
      'Desktop products that licences give: by which plans and SKUs, and how many persons have them now',
    tag: 'Deployments',
    query: z.object({ tenantId: uuid.optional().meta({ description: 'of one tenant only' }) }),
    response: z.object({ items: z.array(entitlement) }),
    async run({ db, licenseGraceMs }, { query: { tenantId = null } }) {
      if (tenantId !== null && (await listTenants(db, tenantId)).length === 0) {
        throw new EntraSyncError('input', `There is no tenant ${tenantId}.`, {
          code: 'tenant_unknown',
          remedy: 'GET /api/v1/tenants lists them.',
        })
      }
      return { items: await readEntitlements(db, { graceMs: licenseGraceMs, tenantId }) }
    },
  }),
]
