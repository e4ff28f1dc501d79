import { projects } from './names.ts'
import { between, guid, pick } from './random.ts'
import type { Random } from './random.ts'
import { groupFields } from './seed-groups.ts'
import type { TenantHandle, Truth, TruthGroup, TruthUser } from './types.ts'

/** A tenant while things happen to it: its truth, kept up to date without asking the directory each time. */
export interface State {
  tenant: TenantHandle
  random: Random
  users: TruthUser[]
  groups: TruthGroup[]
  members: { groupId: string; memberId: string; memberType: string }[]
  skus: Truth['skus']
  gone: Gone
}

/** Soft-deleted ids of a directory, which its truth leaves out. */
export interface Gone {
  users: string[]
  groups: string[]
}

/** What changed; null: it can't happen now. */
export type Outcome = { id: string; memberId?: string } | null

export const blankUser: TruthUser = {
  id: '',
  userPrincipalName: '',
  displayName: null,
  mail: null,
  givenName: null,
  surname: null,
  jobTitle: null,
  department: null,
  companyName: null,
  officeLocation: null,
  usageLocation: null,
  employeeId: null,
  accountEnabled: true,
  userType: 'Member',
  onPremisesSyncEnabled: null,
  onPremisesSamAccountName: null,
  onPremisesSecurityIdentifier: null,
  licenses: [],
  licenseSources: [],
}

export function updateUser(
  state: State,
  fieldsOf: (user: TruthUser) => Partial<TruthUser>,
  fits?: (user: TruthUser) => boolean,
): Outcome {
  const user = choose(state.users, state.random, fits)
  if (user === null) return null
  const fields = fieldsOf(user)
  state.tenant.directory.updateUser(user.id, fields)
  Object.assign(user, fields)
  return { id: user.id }
}

export function newGroup(state: State, kind: Parameters<typeof groupFields>[0]): Outcome {
  const { random, tenant } = state
  const id = guid(random)
  const name = `${pick(random, projects)} ${between(random, 100, 9999)}`
  const fields = groupFields(kind, name, tenant.defaultDomain, id)
  tenant.directory.addGroup(fields)
  state.groups.push(fields)
  return { id }
}

export function addEdge(state: State, groupId: string, memberId: string, memberType: string): Outcome {
  if (state.members.some((edge) => edge.groupId === groupId && edge.memberId === memberId)) return null
  state.tenant.directory.addMember(groupId, memberId)
  state.members.push({ groupId, memberId, memberType })
  return { id: groupId, memberId }
}

export function dropEdge(state: State, fits: (edge: State['members'][number]) => boolean): Outcome {
  const edge = choose(state.members, state.random, fits)
  if (edge === null) return null
  state.tenant.directory.removeMember(edge.groupId, edge.memberId)
  state.members = state.members.filter((each) => each !== edge)
  return { id: edge.groupId, memberId: edge.memberId }
}

/** All assignments of a user as `setLicenses` takes them: one a source. */
export function assignments(
  user: TruthUser,
): { skuId: string; disabledPlans: string[]; assignedByGroup?: string }[] {
  return user.licenseSources.map(({ skuId, assignedByGroup }) => ({
    skuId,
    disabledPlans: user.licenses.find((each) => each.skuId === skuId)?.disabledPlans ?? [],
    ...(assignedByGroup !== null && { assignedByGroup }),
  }))
}

export function choose<T>(
  items: readonly T[],
  random: Random,
  fits: (item: T) => boolean = () => true,
): T | null {
  // A dozen looks at random places find one fast where many fit; only where few do is the list gone through.
  for (let tries = 0; tries < 12 && items.length > 0; tries += 1) {
    const item = pick(random, items)
    if (fits(item)) return item
  }
  const fitting = items.filter(fits)
  return fitting.length === 0 ? null : pick(random, fitting)
}

export function take<T>(items: T[], random: Random): T {
  const [item] = items.splice(Math.floor(random() * items.length), 1)
  if (item === undefined) throw new Error('Nothing to take: the list is empty')
  return item
}
