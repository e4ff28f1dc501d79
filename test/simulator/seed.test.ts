import { expect, test } from 'vitest'
import { planTenants } from '../../simulator/tenants.ts'
import type { Truth } from '../../simulator/types.ts'

function truths(options: Parameters<typeof planTenants>[0], seed = 1): Truth[] {
  return planTenants(options, seed).map((tenant) => tenant.directory.truth())
}

test('the same seed makes the same cloud, another one another', () => {
  const options = { customers: 4, users: 200 }
  expect(truths(options, 3)).toEqual(truths(options, 3))
  expect(truths(options, 4)).not.toEqual(truths(options, 3))
})

test('users are spread over few large and many small tenants, and add up', () => {
  const sizes = planTenants({ customers: 25, users: 5000 }, 1).map(({ userCount }) => userCount)
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(5000)
  expect(sizes).toHaveLength(26)
  expect(Math.max(...sizes)).toBeGreaterThan(10 * Math.min(...sizes))
})

test('a large tenant holds everything that makes directories hard', () => {
  const [truth] = truths({ sizes: [2000], groupsPerTenant: 120 })
  if (truth === undefined) throw new Error('There is no tenant')
  const { users, groups, members, skus, devices } = truth
  expect(groups).toHaveLength(120)
  expect(devices.length).toBeGreaterThan(500)
  expect(users.some((user) => user.userType === 'Guest' && user.userPrincipalName.includes('#EXT#'))).toBe(
    true,
  )
  expect(users.some((user) => !user.accountEnabled)).toBe(true)
  expect(users.some((user) => user.userType === null)).toBe(true)
  expect(users.some((user) => user.mail === null)).toBe(true)
  expect(users.some((user) => /[^\x20-\x7e]/.test(user.displayName ?? ''))).toBe(true)
  expect(new Set(users.map((user) => user.userPrincipalName.toLowerCase())).size).toBe(users.length)
  expect(users.some((user) => user.licenseSources.some((source) => source.assignedByGroup !== null))).toBe(
    true,
  )
  expect(users.some((user) => user.licenses.some((license) => license.disabledPlans.length > 0))).toBe(true)
  const kinds = new Set(
    groups.map((group) => `${group.mailEnabled}/${group.securityEnabled}/${group.groupTypes.join()}`),
  )
  expect([...kinds].sort()).toEqual(['false/true/', 'true/false/', 'true/false/Unified', 'true/true/'])
  expect(groups.some((group) => group.resourceProvisioningOptions.includes('Team'))).toBe(true)
  expect(groups.some((group) => group.visibility === 'HiddenMembership')).toBe(true)
  expect(new Set(members.map((edge) => edge.memberType))).toEqual(new Set(['user', 'group', 'device']))
  expect(hasCycle(members)).toBe(true)
  expect(skus.map((sku) => sku.skuId)).toContain('05e9a617-0261-4cee-bb44-138d3ef5d965')
  expect(skus.some((sku) => sku.consumed > 0)).toBe(true)
  // Leavers stay in their groups: Graph doesn't take a soft-deleted user out.
  const live = new Set(users.map((user) => user.id))
  expect(members.some((edge) => edge.memberType === 'user' && !live.has(edge.memberId))).toBe(true)
})

test('some tenants are synced from an Active Directory', () => {
  const hybrid = truths({ customers: 12, users: 600 }).filter((truth) =>
    truth.users.some(
      (user) => user.onPremisesSyncEnabled && user.onPremisesSecurityIdentifier?.startsWith('S-1-5-21-'),
    ),
  )
  expect(hybrid.length).toBeGreaterThan(1)
  expect(hybrid.every((truth) => truth.groups.some((group) => group.onPremisesSyncEnabled))).toBe(true)
})

function hasCycle(members: Truth['members']): boolean {
  const inner = new Map<string, string[]>()
  for (const { groupId, memberId, memberType } of members) {
    if (memberType === 'group') inner.set(groupId, [...(inner.get(groupId) ?? []), memberId])
  }
  const reaches = (from: string, target: string, seen: Set<string>): boolean =>
    (inner.get(from) ?? []).some((next) => {
      if (next === target) return true
      if (seen.has(next)) return false
      return reaches(next, target, seen.add(next))
    })
  return [...inner.keys()].some((group) => reaches(group, group, new Set()))
}
