import type { Truth, TruthDevice, TruthGroup, TruthUser } from '../types.ts'
import type { Directory } from './directory.ts'
import { licenseSources } from './licenses.ts'
import type { DirectoryGroup, DirectoryUser } from './objects.ts'

const userNames = [
  'userPrincipalName',
  'displayName',
  'mail',
  'givenName',
  'surname',
  'jobTitle',
  'department',
  'companyName',
  'officeLocation',
  'usageLocation',
  'employeeId',
  'accountEnabled',
  'userType',
  'onPremisesSyncEnabled',
  'onPremisesSamAccountName',
  'onPremisesSecurityIdentifier',
] as const satisfies (keyof TruthUser)[]

const groupNames = [
  'displayName',
  'mail',
  'mailNickname',
  'mailEnabled',
  'securityEnabled',
  'groupTypes',
  'resourceProvisioningOptions',
  'visibility',
  'onPremisesSyncEnabled',
] as const satisfies (keyof TruthGroup)[]

const deviceNames = ['deviceId', 'displayName', 'operatingSystem', 'accountEnabled'] as const

/** What the directory holds now, as a consumer that missed nothing must see it. */
export function readTruth(directory: Directory): Truth {
  const groups = directory.groups.order.filter(({ state }) => state === 'live')
  return {
    tenantId: directory.tenantId,
    displayName: directory.displayName,
    domains: [...directory.domains],
    users: directory.users.order.filter(({ state }) => state === 'live').map(truthUser),
    groups: groups.map(truthGroup),
    members: groups.flatMap((group) =>
      [...group.members.values()].map(({ memberId, type }) => ({
        groupId: group.id,
        memberId,
        memberType: type,
      })),
    ),
    devices: directory.devices.order
      .filter(({ state }) => state === 'live')
      .map(({ id, properties }) => ({ ...values<Omit<TruthDevice, 'id'>>(properties, deviceNames), id })),
    skus: directory.listSkus(),
  }
}

function truthUser(user: DirectoryUser): TruthUser {
  return {
    ...values<Omit<TruthUser, 'id'>>(user.properties, userNames),
    id: user.id,
    licenses: user.licenses.map(({ skuId, disabledPlans }) => ({ skuId, disabledPlans: [...disabledPlans] })),
    licenseSources: licenseSources(user.assignments),
  }
}

function truthGroup(group: DirectoryGroup): TruthGroup {
  return { ...values<Omit<TruthGroup, 'id'>>(group.properties, groupNames), id: group.id }
}

/** The named properties, null where they are not set; the mutations take them under these types only. */
function values<T>(properties: Record<string, unknown>, names: readonly (keyof T & string)[]): T {
  return Object.fromEntries(names.map((name) => [name, properties[name] ?? null])) as T
}
