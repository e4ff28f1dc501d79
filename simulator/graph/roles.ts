import type { MemberType } from '../types.ts'

const directory = ['Directory.Read.All', 'Directory.ReadWrite.All']
const user = ['User.Read.All', 'User.ReadWrite.All', ...directory]
const groupMember = [
  'GroupMember.Read.All',
  'GroupMember.ReadWrite.All',
  'Group.Read.All',
  'Group.ReadWrite.All',
  ...directory,
]
const application = [
  'Application.Read.All',
  'Application.ReadWrite.All',
  'Application.ReadWrite.OwnedBy',
  ...directory,
]
const organization = ['Organization.Read.All', 'Organization.ReadWrite.All', ...directory]
const device = ['Device.Read.All', 'Device.ReadWrite.All']
const teamList = ['Team.ReadBasic.All', 'TeamSettings.Read.All', 'TeamSettings.ReadWrite.All']

/**
 * App roles of which a token needs one, by kind of call: Microsoft's permission map (devx-content, August 2026).
 * Directory.Read.All is not good for devices/delta and for the list of teams.
 */
export const rolesFor = {
  users: ['User.ReadBasic.All', ...user],
  usersDelta: user,
  userMemberOf: [...user, ...groupMember],
  licenseDetails: ['LicenseAssignment.Read.All', 'LicenseAssignment.ReadWrite.All', ...user],
  deletedUsers: user,
  deletedGroups: groupMember,
  groups: ['Group.ReadBasic.All', ...groupMember],
  members: ['GroupMember.ReadBasic.All', ...groupMember],
  owners: groupMember,
  teams: teamList,
  team: [...teamList, 'Group.Read.All', 'Group.ReadWrite.All', ...directory],
  subscribedSkus: ['LicenseAssignment.Read.All', 'LicenseAssignment.ReadWrite.All', ...organization],
  organization: ['User.Read.All', 'User.ReadWrite.All', ...organization],
  devices: [...device, ...directory],
  devicesDelta: device,
  servicePrincipals: application,
  byIds: [...user, ...groupMember, ...device, ...application],
} satisfies Record<string, string[]>

const typeRoles: Partial<Record<MemberType, string[]>> = {
  user: rolesFor.users,
  group: rolesFor.groups,
  device: rolesFor.devices,
  service_principal: application,
  contact: ['OrgContact.Read.All', ...directory],
}

export function holds(roles: readonly string[], wanted: readonly string[]): boolean {
  return wanted.some((role) => roles.includes(role))
}

/** Whether objects of that type may be read as members: if not, they come with id and type only. */
export function mayReadType(roles: readonly string[], type: MemberType): boolean {
  return holds(roles, typeRoles[type] ?? [])
}

/** Members of HiddenMembership groups are left out without this one, whatever else is granted. */
export function mayReadHidden(roles: readonly string[]): boolean {
  return roles.includes('Member.Read.Hidden')
}
