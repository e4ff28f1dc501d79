import type { Cloud } from '../../simulator/cloud.ts'
import type { TenantHandle } from '../../simulator/types.ts'

/** People come and go in the cloud, whatever fails between it and us. */
export interface Life {
  /** A group that a deployment names, with six members. */
  begin(tenant: TenantHandle): void
  /** In each tenant: three are hired and join the group, one of whom we know leaves it, one is deleted, one renamed. */
  goOn(tenants?: readonly TenantHandle[]): void
  /** The group that a deployment names. */
  groupOf(tenant: TenantHandle): string
}

export function createLife(cloud: Cloud): Life {
  const groups = new Map<string, string>()
  const hired = new Map<string, string[]>()
  let serial = 0

  function hire({ directory, defaultDomain }: TenantHandle): string {
    serial += 1
    return directory.addUser({
      displayName: `Hired ${serial}`,
      givenName: 'Hired',
      userPrincipalName: `hired${serial}@${defaultDomain}`,
      mail: `hired${serial}@${defaultDomain}`,
      userType: 'Member',
      jobTitle: 'New',
    })
  }
  const groupOf = (tenant: TenantHandle): string => {
    const group = groups.get(tenant.id)
    if (group === undefined) throw new Error('life has not begun here')
    return group
  }
  function join(tenant: TenantHandle, count: number): void {
    for (let n = 0; n < count; n++) {
      const id = hire(tenant)
      tenant.directory.addMember(groupOf(tenant), id)
      hired.set(tenant.id, [...(hired.get(tenant.id) ?? []), id])
    }
  }

  return {
    begin(tenant) {
      groups.set(
        tenant.id,
        tenant.directory.addGroup({
          displayName: 'Fault watch',
          mailNickname: 'watch',
          securityEnabled: true,
        }),
      )
      join(tenant, 6)
    },
    goOn(tenants = cloud.tenants) {
      for (const tenant of tenants) {
        const { directory } = tenant
        const [left, deleted, renamed, ...rest] = hired.get(tenant.id) ?? []
        if (left === undefined || deleted === undefined || renamed === undefined)
          throw new Error('nobody is left')
        directory.removeMember(groupOf(tenant), left)
        directory.deleteUser(deleted)
        directory.updateUser(renamed, { jobTitle: `Renamed ${++serial}` })
        hired.set(tenant.id, [...rest, renamed])
        join(tenant, 3)
      }
    },
    groupOf,
  }
}
