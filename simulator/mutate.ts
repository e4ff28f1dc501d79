import {
  addEdge,
  assignments,
  blankUser,
  choose,
  dropEdge,
  newGroup,
  take,
  updateUser,
} from './mutate-steps.ts'
import type { Gone, Outcome, State } from './mutate-steps.ts'
import { departments, personName, projects } from './names.ts'
import { between, guid, pick, pickWeighted } from './random.ts'
import type { Random } from './random.ts'
import type { TenantHandle, TruthGroup } from './types.ts'

/** One thing that happened in a tenant. */
export interface Mutation {
  kind: Kind
  /** Object that changed: a user, or the group of a membership. */
  id: string
  memberId?: string
}

const weights = [
  ['hire', 12],
  ['leave', 8],
  ['restore', 3],
  ['purge', 2],
  ['rename', 8],
  ['move', 10],
  ['disable', 4],
  ['enable', 3],
  ['clear', 3],
  ['license', 8],
  ['unlicense', 4],
  ['join', 16],
  ['quit', 10],
  ['nest', 3],
  ['unnest', 2],
  ['group', 3],
  ['team', 2],
  ['regroup', 3],
  ['dissolve', 2],
  ['undissolve', 1],
] as const
type Kind = (typeof weights)[number][0]

const goneOf = new WeakMap<object, Gone>()

/** Lets `count` things happen in a tenant, in a believable mix; the same random numbers do the same things. */
export function mutate(tenant: TenantHandle, count: number, random: Random): Mutation[] {
  const { directory } = tenant
  const gone = goneOf.get(directory) ?? { users: [], groups: [] }
  goneOf.set(directory, gone)
  const truth = directory.truth()
  const state: State = { tenant, random, gone, ...truth }
  const done: Mutation[] = []
  while (done.length < count) {
    const kind = pickWeighted(random, weights)
    const change = changes[kind](state)
    // What can't happen now (nobody to restore, no group left) is drawn again; a hire always can.
    if (change !== null) done.push({ kind, ...change })
  }
  return done
}

const changes: Record<Kind, (state: State) => Outcome> = {
  hire(state) {
    const { random, tenant } = state
    const department = pickWeighted(random, departments)
    const { displayName, givenName, surname, alias } = personName(random)
    const id = guid(random)
    const userPrincipalName = `${alias}.${id.slice(0, 6)}@${tenant.defaultDomain}`
    const fields = {
      id,
      userPrincipalName,
      displayName,
      givenName,
      surname,
      mail: userPrincipalName,
      jobTitle: pick(random, department.titles),
      department: department.name,
      usageLocation: 'US',
      accountEnabled: true,
      userType: 'Member',
    }
    tenant.directory.addUser(fields)
    state.users.push({ ...blankUser, ...fields })
    return { id }
  },
  leave(state) {
    // The last few stay: an empty company is a test of its own, not a random event.
    if (state.users.length < 3) return null
    const user = take(state.users, state.random)
    state.tenant.directory.deleteUser(user.id)
    state.gone.users.push(user.id)
    return { id: user.id }
  },
  restore(state) {
    if (state.gone.users.length === 0) return null
    const id = take(state.gone.users, state.random)
    state.tenant.directory.restoreUser(id)
    const back = state.tenant.directory.truth().users.find((user) => user.id === id)
    if (back !== undefined) state.users.push(back)
    return { id }
  },
  purge(state) {
    if (state.gone.users.length === 0) return null
    const id = take(state.gone.users, state.random)
    state.tenant.directory.purgeUser(id)
    state.members = state.members.filter((edge) => edge.memberId !== id)
    return { id }
  },
  rename(state) {
    const { displayName, givenName, surname, alias } = personName(state.random)
    return updateUser(state, (user) => ({
      displayName,
      givenName,
      surname,
      userPrincipalName: `${alias}.${user.id.slice(0, 6)}@${user.userPrincipalName.split('@').at(-1)}`,
    }))
  },
  move(state) {
    const department = pickWeighted(state.random, departments)
    const jobTitle = pick(state.random, department.titles)
    return updateUser(state, () => ({ department: department.name, jobTitle }))
  },
  disable: (state) =>
    updateUser(
      state,
      () => ({ accountEnabled: false }),
      (user) => user.accountEnabled,
    ),
  enable: (state) =>
    updateUser(
      state,
      () => ({ accountEnabled: true }),
      (user) => !user.accountEnabled,
    ),
  clear: (state) =>
    updateUser(
      state,
      () => ({ jobTitle: null, officeLocation: null }),
      (user) => user.jobTitle !== null,
    ),
  license(state) {
    const sku = state.skus.length === 0 ? null : pick(state.random, state.skus)
    const user = choose(state.users, state.random, ({ licenses }) =>
      licenses.every((each) => each.skuId !== sku?.skuId),
    )
    if (sku === null || user === null) return null
    user.licenses = [...user.licenses, { skuId: sku.skuId, disabledPlans: [] }]
    state.tenant.directory.setLicenses(user.id, [
      ...assignments(user),
      { skuId: sku.skuId, disabledPlans: [] },
    ])
    user.licenseSources = [
      ...user.licenseSources,
      { skuId: sku.skuId, assignedByGroup: null, state: 'Active' },
    ]
    return { id: user.id }
  },
  unlicense(state) {
    const user = choose(state.users, state.random, ({ licenses }) => licenses.length > 0)
    if (user === null) return null
    const { skuId } = pick(state.random, user.licenses)
    user.licenses = user.licenses.filter((each) => each.skuId !== skuId)
    user.licenseSources = user.licenseSources.filter((each) => each.skuId !== skuId)
    state.tenant.directory.setLicenses(user.id, assignments(user))
    return { id: user.id }
  },
  join(state) {
    const group = choose(state.groups, state.random)
    const user = choose(state.users, state.random)
    if (group === null || user === null) return null
    return addEdge(state, group.id, user.id, 'user')
  },
  quit: (state) => dropEdge(state, (edge) => edge.memberType === 'user'),
  nest(state) {
    const plain = ({ securityEnabled, mailEnabled }: TruthGroup): boolean => securityEnabled && !mailEnabled
    const outer = choose(state.groups, state.random, plain)
    const inner = choose(state.groups, state.random, plain)
    if (outer === null || inner === null || outer.id === inner.id) return null
    return addEdge(state, outer.id, inner.id, 'group')
  },
  unnest: (state) => dropEdge(state, (edge) => edge.memberType === 'group'),
  group: (state) =>
    newGroup(state, pick(state.random, ['security', 'microsoft365', 'distribution'] as const)),
  team: (state) => newGroup(state, 'team'),
  regroup(state) {
    const group = choose(state.groups, state.random)
    if (group === null) return null
    const displayName = `${pick(state.random, projects)} ${between(state.random, 2, 99)}`
    state.tenant.directory.updateGroup(group.id, { displayName })
    return { id: group.id }
  },
  dissolve(state) {
    if (state.groups.length < 2) return null
    const { id, groupTypes } = take(state.groups, state.random)
    state.tenant.directory.deleteGroup(id)
    // Only Microsoft 365 groups can be restored; the others leave the groups that they were in, too.
    const restorable = groupTypes.includes('Unified')
    if (restorable) state.gone.groups.push(id)
    state.members = state.members.filter(
      (edge) => edge.groupId !== id && (restorable || edge.memberId !== id),
    )
    return { id }
  },
  undissolve(state) {
    if (state.gone.groups.length === 0) return null
    const id = take(state.gone.groups, state.random)
    state.tenant.directory.restoreGroup(id)
    const truth = state.tenant.directory.truth()
    state.groups.push(...truth.groups.filter((group) => group.id === id))
    state.members.push(...truth.members.filter((edge) => edge.groupId === id))
    return { id }
  },
}
