import { z } from 'zod'
import { knobsSchema } from './faults.ts'

const tenantId = z.guid()

/** Delta misbehaviour; without tenantId in every tenant. */
export const knobsBody = z.object({
  tenantId: tenantId.optional(),
  knobs: knobsSchema,
  times: z.int().positive().optional(),
})
/** Seconds that tokens live from now on. */
export const lifetimeBody = z.object({ tokenLifetimeSeconds: z.int().positive() })
/** Refuses the tokens issued until now, of one tenant or of all. */
export const revokeBody = z.object({ revokeTokens: z.union([z.literal('all'), tenantId]) })
export const mutateBody = z.object({
  tenantId,
  count: z.int().positive().max(100_000).default(1),
  seed: z.int().optional(),
})
export const grantBody = z.object({
  tenantId,
  state: z.enum(['ready', 'no-service-principal', 'disabled', 'blocked-by-policy', 'tenant-gone']).optional(),
  roles: z.array(z.string()).optional(),
  /** Delegated scopes for Graph instead of all that are there. */
  delegated: z.array(z.string()).optional(),
})
export const gdapBody = z.object({
  tenantId,
  status: z
    .enum([
      'created',
      'approvalPending',
      'approved',
      'activating',
      'active',
      'expiring',
      'terminationRequested',
      'terminating',
      'expired',
      'terminated',
    ])
    .optional(),
  endsAt: z.coerce.date().nullable().optional(),
  autoExtendDuration: z.string().optional(),
  roles: z.array(z.guid()).optional(),
  displayName: z.string().optional(),
  /** Adds a relationship instead of changing the first one. */
  add: z.boolean().default(false),
})
export const throttleBody = z
  .object({ enabled: z.boolean(), units: z.int().positive().nullable(), windowMs: z.int().positive() })
  .partial()
export const secretsBody = z.object({
  valid: z.array(z.string()).optional(),
  expired: z.array(z.string()).optional(),
  endsAt: z.coerce.date().optional(),
})
export const registrationBody = z
  .object({
    redirectUris: z.array(z.string()).nullable(),
    requiredRoles: z.array(z.string()),
    requiredScopes: z.array(z.string()),
    allowPublicClient: z.boolean(),
  })
  .partial()
  .strict()
export const signInsBody = z
  .object({
    mayConsent: z.boolean(),
    rolesDelayMs: z.number().nonnegative(),
    deviceIntervalSeconds: z.int().positive(),
    deviceLifetimeSeconds: z.number().nonnegative(),
    mfa: z.boolean(),
    deleteTakesPrincipal: z.boolean(),
    consentsPerSecond: z.int().nonnegative(),
  })
  .partial()
  .strict()
export const partnerUserBody = z.object({
  user: z.string(),
  /** AADSTS code that refreshes meet until the user signs in again; null = none. */
  refuse: z.int().positive().nullable().optional(),
  /** How long ago the refresh tokens were last used. */
  inactiveDays: z.number().nonnegative().optional(),
  /** Groups of the partner that the user is in, of those with a part in GDAP. */
  groups: z
    .array(z.enum(['adminAgents', 'applicationAdministrators', 'privilegedRoleAdministrators']))
    .optional(),
})
