import { randomUUID } from 'node:crypto'
import type { z } from 'zod'
import type { Cloud } from './cloud.ts'
import type {
  appsBody,
  gdapBody,
  grantBody,
  partnerUserBody,
  registrationBody,
  secretsBody,
} from './control-bodies.ts'
import { addSecret, findRegistration, registerOwnApp } from './registrations.ts'
import type { AppRegistration } from './registrations.ts'
import { addRelationship, relationshipsOf } from './relationships.ts'
import { findTechnician, groupsAbove } from './sign-ins.ts'
import { grantScopes } from './tenant-apps.ts'
import { graphAppId } from './tokens.ts'
import type { GdapRelationship, PartnerGroups, TenantHandle } from './types.ts'

/** What a control call names does not exist. */
export class NotThere extends Error {}

/** What an app has in a tenant, changed past all consent. */
export function changeGrant(body: z.output<typeof grantBody>, cloud: Cloud): unknown {
  const { state, roles, delegated } = body
  const tenant = known(cloud, body.tenantId)
  const app = tenant.appOf(registrationOf(cloud, body.clientId).clientId)
  if (state === 'tenant-gone') tenant.app.state = state
  else if (state !== undefined) app.state = state
  if (roles !== undefined) Object.assign(app, { roles, late: null })
  if (delegated !== undefined) {
    app.delegated = []
    if (delegated.length > 0) grantScopes(app, graphAppId, delegated)
  }
  return app
}

/** Registers an own app and answers its client id and one secret. */
export function addOwnApp(body: z.output<typeof appsBody>, cloud: Cloud): unknown {
  const { ownerTenantId, grantedIn, ...facts } = body
  for (const id of [...(ownerTenantId === undefined ? [] : [ownerTenantId]), ...idsOf(grantedIn)]) {
    known(cloud, id)
  }
  const registration = registerOwnApp(cloud, { ...present({ ...facts, ownerTenantId }), grantedIn })
  return {
    clientId: registration.clientId,
    clientSecret: addSecret(registration),
    homeTenantId: registration.homeTenantId,
  }
}

function idsOf(grantedIn: 'everywhere' | string[]): string[] {
  return grantedIn === 'everywhere' ? [] : grantedIn
}

export function changeSecrets(body: z.output<typeof secretsBody>, cloud: Cloud): unknown {
  const { valid, expired, endsAt, ends = {} } = body
  const registration = registrationOf(cloud, body.clientId)
  if (valid !== undefined) registration.secrets = valid
  if (expired !== undefined) registration.expiredSecrets = expired
  if (endsAt !== undefined) registration.secretEndsAt = endsAt
  for (const [secret, end] of Object.entries(ends)) registration.secretEnds.set(secret, end)
  return { valid: registration.secrets.length, expired: registration.expiredSecrets.length }
}

export function changeRegistration(body: z.output<typeof registrationBody>, cloud: Cloud): unknown {
  const { clientId, ...facts } = body
  const registration = registrationOf(cloud, clientId)
  Object.assign(registration, present(facts))
  return { redirectUris: registration.redirectUris }
}

export function changePartnerUser(body: z.output<typeof partnerUserBody>, cloud: Cloud): unknown {
  const { signIns } = cloud
  const found = findTechnician(cloud.partners, body.user)
  if (found === null) throw new NotThere(`No partner has a user ${body.user}.`)
  const { home, user } = found
  if (body.refuse === null) signIns.refused.delete(user.id)
  else if (body.refuse !== undefined) signIns.refused.set(user.id, body.refuse)
  for (const token of signIns.refreshTokens.values()) {
    if (body.inactiveDays !== undefined && token.userId === user.id) {
      token.lastUsedAt = Date.now() - body.inactiveDays * 86_400_000
    }
  }
  for (const [name, id] of Object.entries(groupsOf(home))) {
    if (body.groups === undefined) continue
    if (body.groups.some((each) => each === name)) home.directory.addMember(id, user.id)
    else home.directory.removeMember(id, user.id)
  }
  return { user: user.id, groups: [...groupsAbove(home, user.id)] }
}

/** Adds, changes or takes away a relationship of a partner with a customer; answers the customer's, of all partners. */
export function changeGdap(body: z.output<typeof gdapBody>, cloud: Cloud): unknown {
  const tenant = known(cloud, body.tenantId)
  const partner = known(cloud, body.partnerTenantId ?? cloud.partnerTenantId)
  if (tenant.partnerGroups !== null) throw new NotThere('A partner is nobody’s customer here.')
  const groups = groupsOf(partner)
  if (body.listed === true) tenant.unlistedFor.delete(partner.id)
  if (body.listed === false) tenant.unlistedFor.add(partner.id)
  if (body.remove === 'all') {
    tenant.gdap = tenant.gdap.filter(({ partnerTenantId }) => partnerTenantId !== partner.id)
    return tenant.gdap
  }
  const theirs = relationshipsOf(partner.id, tenant)
  // A customer without any is given one by the first change, so that scripts need not know.
  const add = body.add || (theirs.length === 0 && body.relationshipId === undefined && !body.remove)
  const changed = add
    ? addRelationship(partner, tenant)
    : theirs.find(({ id }, index) =>
        body.relationshipId === undefined ? index === 0 : id === body.relationshipId,
      )
  if (changed === undefined) throw new NotThere(`${tenant.displayName} has no such relationship.`)
  if (body.remove === 'one') tenant.gdap = tenant.gdap.filter((each) => each !== changed)
  change(changed, body, groups)
  return tenant.gdap
}

function change(changed: GdapRelationship, body: z.output<typeof gdapBody>, groups: PartnerGroups): void {
  const { status, endsAt, autoExtendDuration, roles, displayName } = body
  Object.assign(changed, present({ status, endsAt, autoExtendDuration, roles, displayName }))
  if (body.assignments === undefined) return
  changed.assignments = body.assignments.map(({ group, ...assignment }) => ({
    id: randomUUID(),
    groupId: isGroupName(group, groups) ? groups[group] : group,
    ...assignment,
  }))
}

function isGroupName(group: string, groups: PartnerGroups): group is keyof PartnerGroups {
  return group in groups
}

function groupsOf({ displayName, partnerGroups }: TenantHandle): PartnerGroups {
  if (partnerGroups === null) throw new NotThere(`${displayName} is no partner.`)
  return partnerGroups
}

function registrationOf(cloud: Cloud, clientId = cloud.clientId): AppRegistration {
  const found = findRegistration([cloud.registration, ...cloud.ownRegistrations], clientId)
  if (found === null) throw new NotThere(`No app ${clientId} is registered.`)
  return found
}

/** A tenant by id or domain. */
export function known(cloud: Cloud, idOrDomain: string): TenantHandle {
  const tenant = cloud.findTenant(idOrDomain)
  if (tenant === null) throw new NotThere(`The simulated cloud has no tenant ${idOrDomain}.`)
  return tenant
}

/** The changes that were asked for; the rest stays. */
export function present<T extends object>(changes: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const entries = Object.entries(changes).filter(([, value]) => value !== undefined)
  return Object.fromEntries(entries) as { [K in keyof T]?: Exclude<T[K], undefined> }
}
