import { between, guid } from './random.ts'
import type { Random } from './random.ts'
import type { GdapRelationship, TenantHandle } from './types.ts'

/** Role template ids of the pair that pre-consent needs, and of two usual ones. */
export const gdapRoles = {
  applicationAdministrator: '9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3',
  privilegedRoleAdministrator: 'e8611ab8-c189-46e8-94e1-60213ab1f814',
  directoryReaders: '88d8e3e3-8f55-4a1e-953a-9b9898b8876b',
  userAdministrator: 'fe930be7-5e62-47db-91af-98c3a49a38b1',
}

/** A relationship that the customer has approved: active, with the roles that pre-consent needs. */
export function relationship(
  partner: TenantHandle,
  customer: Pick<TenantHandle, 'id'>,
  name: string,
  random: Random,
): GdapRelationship {
  const { partnerGroups } = partner
  if (partnerGroups === null) throw new Error(`${partner.displayName} is no partner`)
  const day = 86_400_000
  const createdAt = new Date(Date.now() - between(random, 30, 500) * day)
  const activatedAt = new Date(createdAt.getTime() + between(random, 1, 72) * 3_600_000)
  const roles = Object.values(gdapRoles)
  return {
    id: `${guid(random)}-${guid(random)}`,
    partnerTenantId: partner.id,
    displayName: `${partner.displayName} ${name}`,
    customerTenantId: customer.id,
    status: 'active',
    roles,
    createdAt,
    activatedAt,
    endsAt: new Date(activatedAt.getTime() + 730 * day),
    autoExtendDuration: random() < 0.7 ? 'P180D' : 'PT0S',
    duration: 'P730D',
    assignments: [
      {
        id: guid(random),
        status: 'active',
        groupId: partnerGroups.applicationAdministrators,
        roles: roles.filter((role) => role !== gdapRoles.privilegedRoleAdministrator),
      },
      {
        id: guid(random),
        status: 'active',
        groupId: partnerGroups.privilegedRoleAdministrators,
        roles: [gdapRoles.privilegedRoleAdministrator],
      },
    ],
  }
}

/** A further relationship of a partner with a customer, which the customer's other partners do not see. */
export function addRelationship(partner: TenantHandle, customer: TenantHandle): GdapRelationship {
  if (customer.partnerGroups !== null) throw new Error(`${customer.displayName} is a partner, no customer`)
  // A name is taken once among a partner's relationships.
  const number = customer.gdap.length === 0 ? '' : ` ${customer.gdap.length + 1}`
  const added = relationship(partner, customer, `${customer.displayName}${number}`, Math.random)
  customer.gdap.push(added)
  return added
}

/** Relationships that a partner has with a customer. */
export function relationshipsOf(partnerTenantId: string, customer: TenantHandle): GdapRelationship[] {
  return customer.gdap.filter((each) => each.partnerTenantId === partnerTenantId)
}

/** Tenants that a partner's lists of customers name. */
export function customersOf(partnerTenantId: string, tenants: readonly TenantHandle[]): TenantHandle[] {
  return tenants.filter(
    (tenant) =>
      !tenant.unlistedFor.has(partnerTenantId) && relationshipsOf(partnerTenantId, tenant).length > 0,
  )
}
