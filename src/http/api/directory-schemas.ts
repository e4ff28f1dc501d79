import { z } from 'zod'

export const person = z
  .object({
    personId: z.guid(),
    name: z.string().nullable(),
    userPrincipalName: z.string().nullable(),
    tenant: z.string().nullable(),
    department: z.string().nullable(),
    enabled: z.boolean().nullable(),
    userType: z.string().nullable(),
    tags: z.array(z.string()),
    protectedReason: z.string().nullable(),
    handMade: z.boolean().meta({ description: 'no sync has found this person' }),
    targets: z.number().int(),
  })
  .meta({ id: 'Person' })

export const computer = z
  .object({
    computerId: z.guid(),
    name: z.string(),
    tenant: z.string(),
    primaryUser: z.string().nullable(),
    person: z
      .string()
      .nullable()
      .meta({ description: "who that is in the tenant's directory; null = nobody" }),
    entraDeviceId: z.guid().nullable(),
    deviceKnown: z.boolean(),
    targets: z.number().int(),
  })
  .meta({ id: 'Computer' })

export const problems = z.array(z.object({ place: z.string(), message: z.string() }))
export const imported = z.object({
  applied: z.boolean().meta({
    description: 'false = a preview, something is wrong, or too much is lost: nothing was written',
  }),
  problems,
})

export const tooLarge = z
  .array(
    z.object({
      tenantId: z.guid(),
      tenant: z.string(),
      losing: z.number().int(),
      of: z.number().int().meta({ description: 'computers that had targets' }),
      reason: z.string(),
    }),
  )
  .meta({ description: 'tenants in which more computers lose software than the guard lets pass: confirm it' })

export const counts = { added: z.number().int(), changed: z.number().int(), unchanged: z.number().int() }
/** The same records as the import file in JSON; each is parsed by the import, which names what is wrong by its place. */
export const records = z.array(z.record(z.string(), z.unknown())).max(100_000)

export const explained = z.object({
  subject: z.object({
    kind: z.enum(['person', 'computer']),
    id: z.guid(),
    name: z.string(),
    tenant: z.string().nullable(),
  }),
  notes: z.array(z.string()).meta({ description: 'why it gets nothing at all, or nothing new for now' }),
  items: z.array(
    z.object({
      item: z.string(),
      held: z.boolean(),
      deployments: z.array(
        z.object({
          name: z.string(),
          verdict: z.enum(['wins', 'loses', 'left_out', 'not_reached', 'not_for_tenant', 'kept_others']),
          text: z.string(),
          version: z.string(),
          desiredState: z.string(),
          enforcement: z.string(),
        }),
      ),
    }),
  ),
})
