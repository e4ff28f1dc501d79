import { z } from 'zod'
import { knobsSchema } from './faults.ts'
import { gdapRoles } from './relationships.ts'
import type { PartnerGroups } from './types.ts'

const tenantId = z.guid()
/** Which app is meant; without it the multi-tenant one. */
const clientId = z.guid().optional()

const groupNames = [
  'adminAgents',
  'applicationAdministrators',
  'privilegedRoleAdministrators',
] as const satisfies (keyof PartnerGroups)[]

/** A role by template id, or by the name that `gdapRoles` gives it. */
const role = z.union([
  z.guid(),
  z
    .enum([
      'applicationAdministrator',
      'privilegedRoleAdministrator',
      'directoryReaders',
      'userAdministrator',
    ])
    .transform((name) => gdapRoles[name]),
])

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
  clientId,
  state: z.enum(['ready', 'no-service-principal', 'disabled', 'blocked-by-policy', 'tenant-gone']).optional(),
  roles: z.array(z.string()).optional(),
  /** Delegated scopes for Graph instead of all that are there. */
  delegated: z.array(z.string()).optional(),
})
export const gdapBody = z
  .object({
    tenantId,
    /** Whose relationship; default: the first partner. */
    partnerTenantId: tenantId.optional(),
    /** Which one; default: that partner's first. */
    relationshipId: z.string().optional(),
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
    roles: z.array(role).optional(),
    displayName: z.string().optional(),
    /** What the relationship's access assignments are from now on, all of them. */
    assignments: z
      .array(
        z.object({
          group: z.union([z.enum(groupNames), z.guid()]),
          status: z.enum(['pending', 'active', 'deleting', 'deleted', 'error']).default('active'),
          roles: z.array(role),
        }),
      )
      .optional(),
    /** Adds a relationship instead of changing one. */
    add: z.boolean().default(false),
    /** Takes the relationship away, or all of the partner's with this customer. */
    remove: z.union([z.literal('one'), z.literal('all')]).optional(),
    /** Whether the partner's lists of customers name this one, as long as it has relationships. */
    listed: z.boolean().optional(),
  })
  .strict()
export const throttleBody = z
  .object({ enabled: z.boolean(), units: z.int().positive().nullable(), windowMs: z.int().positive() })
  .partial()
export const secretsBody = z.object({
  clientId,
  valid: z.array(z.string()).optional(),
  expired: z.array(z.string()).optional(),
  /** What the registration tells of secrets without an end of their own. */
  endsAt: z.coerce.date().optional(),
  /** Ends of single secrets, by secret: from then on they are refused. */
  ends: z.record(z.string(), z.coerce.date()).optional(),
})
const facts = z
  .object({
    displayName: z.string(),
    singleTenant: z.boolean(),
    redirectUris: z.array(z.string()).nullable(),
    requiredRoles: z.array(z.string()),
    requiredScopes: z.array(z.string()),
    allowPublicClient: z.boolean(),
  })
  .partial()
export const registrationBody = facts.extend({ clientId }).strict()
export const appsBody = facts
  .extend({
    /** Default: the first partner. */
    ownerTenantId: tenantId.optional(),
    grantedIn: z.union([z.literal('everywhere'), z.array(tenantId)]).default([]),
  })
  .strict()
export const signInsBody = z
  .object({
    mayConsent: z.boolean(),
    grantOnly: z.array(z.string()).nullable(),
    answersAsTenant: tenantId.nullable(),
    checksRedirectLate: z.boolean(),
    rolesDelayMs: z.number().nonnegative(),
    deviceIntervalSeconds: z.int().positive(),
    deviceLifetimeSeconds: z.number().nonnegative(),
    mfa: z.boolean(),
    deleteTakesPrincipal: z.boolean(),
    consentExistsStatus: z.union([z.literal(400), z.literal(409)]),
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
  groups: z.array(z.enum(groupNames)).optional(),
})
