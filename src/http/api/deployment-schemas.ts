import { z } from 'zod'
import { moment } from './route.ts'

const keys = z.record(z.string(), z.string())
const state = z.enum(['installed', 'uninstalled', 'update_if_found', 'ignored'])
const enforcement = z.enum(['required', 'onboarding', 'ad_hoc'])
const scope = z.enum(['cross_tenant', 'single_tenant', 'individual'])

export const deploymentSchema = z
  .object({
    deploymentId: z.guid(),
    name: z.string(),
    item: z.string(),
    version: z.string().meta({ description: 'latest, any, or an exact one' }),
    desiredState: state,
    enforcement,
    scope,
    tenant: z.string().nullable().meta({ description: 'scope single_tenant: whose, with those below it' }),
    targetType: z.string(),
    target: keys,
    targetText: z.string().meta({ description: 'the target in words' }),
    excludes: z.array(keys),
    filters: z.record(z.string(), z.unknown()),
    enabled: z.boolean(),
    rank: z.number().int(),
    source: z.string().meta({ description: 'the file it comes from; table = none' }),
    createdAt: moment,
    updatedAt: moment,
    persons: z.number().int().meta({ description: 'for whom it wins' }),
    computers: z.number().int().meta({ description: 'for which it wins by targets of their own' }),
    tenants: z.number().int(),
    held: z.number().int().meta({ description: 'changes that the guard keeps back' }),
    warnings: z
      .array(z.object({ code: z.string(), message: z.string(), tenant: z.string().nullable() }))
      .meta({ description: 'the first of them; tenant null = everywhere' }),
    warningCount: z.number().int(),
  })
  .meta({ id: 'Deployment' })

export const shownSchema = deploymentSchema.extend({
  targets: z.array(
    z.object({
      tenantId: z.guid(),
      tenant: z.string(),
      persons: z.number().int(),
      computers: z.number().int().meta({ description: 'all that get it, be it through their primary users' }),
    }),
  ),
})

const tally = z.object({ gain: z.number().int(), change: z.number().int(), lose: z.number().int() })
const kind = z.enum(['person', 'computer'])
const facts = z
  .object({
    deployment_id: z.string(),
    scope: z.string(),
    version: z.string(),
    desired_state: z.string(),
    enforcement: z.string(),
  })
  .nullable()

export const effectSchema = z
  .object({
    tenants: z.array(
      z.object({
        tenantId: z.guid(),
        tenant: z.string(),
        persons: tally,
        computers: tally.meta({ description: 'through their primary users, too' }),
        items: z.array(
          tally.extend({
            item: z.string(),
            kind,
            samples: z.array(
              z.object({
                name: z.string(),
                change: z.enum(['gain', 'change', 'lose']),
                before: facts,
                after: facts,
                reason: z.unknown().meta({ description: 'as in deployment_targets.reason' }),
                through: kind.meta({ description: 'computers: person = its primary user' }),
              }),
            ),
          }),
        ),
      }),
    ),
    persons: tally,
    computers: tally,
    frozen: z
      .array(z.object({ tenant: z.string(), why: z.string() }))
      .meta({ description: 'tenants that get it when their targets are no longer frozen' }),
  })
  .meta({ id: 'DeploymentEffect' })

const columns = z.object({
  name: z.string(),
  item: z.string(),
  version: z.string(),
  desired_state: state,
  enforcement,
  scope,
  tenant_id: z.string().nullable(),
  target_type: z.string(),
  target: keys,
  excludes: z.array(keys),
  filters: z.object({
    accounts: z.string().optional(),
    guests: z.string().optional(),
    departments: z.array(z.string()).optional(),
    domains: z.array(z.string()).optional(),
  }),
  enabled: z.boolean(),
  rank: z.number().int(),
  source: z.string(),
})

export const appliedSchema = z.object({
  applied: z.boolean().meta({ description: 'false for a preview: nothing was changed' }),
  problems: z.array(
    z.object({
      severity: z.enum(['error', 'warning']),
      code: z.string(),
      message: z.string(),
      place: z.object({ path: z.string() }),
    }),
  ),
  plan: z
    .object({
      source: z.string(),
      items: z
        .array(
          z.object({ name: z.string(), kind: z.enum(['software', 'task']), itemId: z.string().nullable() }),
        )
        .meta({ description: 'itemId null = made by this' }),
      added: z.array(columns),
      changed: z.array(
        z.object({
          deployment: columns,
          changes: z.array(z.object({ field: z.string(), from: z.unknown(), to: z.unknown() })),
        }),
      ),
      unchanged: z.array(z.string()),
      removed: z.array(columns),
      taken: z
        .array(z.object({ name: z.string(), from: z.string() }))
        .meta({ description: 'taken over from another source' }),
    })
    .nullable()
    .meta({ description: 'null = the document has errors' }),
  effect: effectSchema.nullable(),
})
