import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { unlinkTenant } from '../../src/consent/links/unlink.ts'
import { removeByName } from '../../src/targets/deployments/apply.ts'
import { syncEntitlements } from '../../src/targets/entitlements/sync.ts'
import { importComputers } from '../../src/targets/imports/computers.ts'
import { importPersons } from '../../src/targets/imports/persons.ts'
import { setTenantRules } from '../../src/targets/tenant-rules.ts'
import { group, guid, member, numbers, removed, sku, user } from '../sync/scripted.ts'
import { below, engineer, engineers, entra, Indirect, meant, people, team, tenant } from './indirect-world.ts'

// Nobody is removed in any of these: what empties targets is beside the persons.

let world: Indirect
beforeEach(async () => {
  world = await Indirect.begin()
})
afterEach(() => world.drop())

const all = (more: object) => engineers().map((n) => user(n, { ...engineer, ...more }))
const delta = (told: { users?: object[]; groups?: object[]; skus?: object[] }) => () =>
  world.sync('delta', told)
const gone = engineers().map((n) => member(n, true))
const suspended = { ...sku(1), capabilityStatus: 'Suspended' }

const ways: [string, () => Promise<unknown>, string[]][] = [
  [
    'the department of many changes',
    delta({ users: all({ department: 'Construction' }) }),
    ['target empties_deployment 40'],
  ],
  [
    'the department of many is empty',
    delta({ users: all({ department: null }) }),
    ['target empties_deployment 40'],
  ],
  ['many lose a licence', delta({ users: all({ assignedLicenses: [] }) }), ['license empties_collection 40']],
  [
    'a plan of many is switched off',
    delta({ users: all({ assignedLicenses: [{ skuId: guid(1, 3), disabledPlans: [guid(1, 4)] }] }) }),
    ['target over_percent 80'],
  ],
  ['many are disabled', delta({ users: all({ accountEnabled: false }) }), ['target over_percent 440']],
  ['many turn into guests', delta({ users: all({ userType: 'Guest' }) }), ['target over_percent 440']],
  ['a SKU is gone', delta({ skus: [sku(2)] }), ['target over_percent 120']],
  ['all SKUs are gone', delta({ skus: [] }), ['sku empties_collection 2']],
  ['a SKU is suspended', delta({ skus: [suspended, sku(2)] }), ['target over_percent 120']],
  ['a SKU loses its plan', delta({ skus: [{ ...sku(1), servicePlans: [] }, sku(2)] }), []],
  ['a group is renamed', delta({ groups: [group(1, [], { displayName: 'Other' })] }), []],
  [
    'a group is renamed, and an empty one takes its name',
    delta({ groups: [group(1, [], { displayName: 'Other' }), group(9, [], { displayName: 'Group 1' })] }),
    ['target over_percent 80'],
  ],
  [
    'a group takes the name of one that a deployment names',
    delta({ groups: [group(1, [], { displayName: 'Group 3' }), group(3, [], { displayName: 'Group 1' })] }),
    [],
  ],
  ['a group is deleted', delta({ groups: [removed(guid(1, 2), 'deleted')] }), []],
  [
    'a group is deleted, and an empty one takes its name',
    async () => {
      await world.sync('delta', { groups: [removed(guid(1, 2), 'deleted')] })
      await world.sync('delta', { groups: [group(9, [], { displayName: 'Group 1' })] })
    },
    ['target over_percent 80'],
  ],
  [
    'the group below is deleted',
    delta({ groups: [removed(guid(2, 2), 'deleted')] }),
    ['target over_percent 80'],
  ],
  ['a nested group is taken out', delta({ groups: [group(1, [below(true)])] }), ['target over_percent 80']],
  [
    'a dynamic rule finds nobody',
    delta({ groups: [group(3, gone, { groupTypes: ['DynamicMembership'] })] }),
    ['membership empties_named_group 40'],
  ],
  [
    'a team is archived and no team any more',
    delta({ groups: [group(4, [], { groupTypes: ['Unified'] })] }),
    [],
  ],
  ['a team is deleted', delta({ groups: [removed(guid(4, 2), 'deleted')] }), ['group empties_named_group 1']],
  [
    'the members of a team leave',
    delta({ groups: [group(4, gone, team)] }),
    ['membership empties_named_group 40'],
  ],
  [
    'the domain of many changes',
    async () => {
      await world.sync('delta', {
        users: engineers().map((n) =>
          user(n, { ...engineer, userPrincipalName: `user${n}@fabrikam.example` }),
        ),
      })
    },
    ['target empties_deployment 40'],
  ],
  [
    'the configured plans of an app change',
    () =>
      syncEntitlements(world.db, [
        { name: 'cad', productName: 'CAD', yieldsTo: null, plans: [{ id: guid(7, 4), name: 'PLAN_7' }] },
      ]).then(() => world.resolve()),
    ['target empties_deployment 40'],
  ],
  [
    'an import takes the tags of many',
    async () => {
      const records = engineers().map((n) => ({
        place: `record ${n}`,
        values: { tenant: 'Contoso', user_principal_name: `user${n}@contoso.example`, tags: '' },
      }))
      const plan = await importPersons(world.db, { records, problems: [] }, { keep: true, actor: 'test' })
      expect(plan).toMatchObject({ problems: [], changed: { length: meant } })
      await world.resolve()
    },
    ['target empties_deployment 40'],
  ],
]

test.each(ways)('%s: whoever had software has it still, and an operator sees why', async (_, act, holds) => {
  const before = await world.given()
  expect(before).toMatchObject({ 'by nesting': meant, 'by nesting on computers': meant, everyone: people })
  await act()
  expect(await world.given()).toEqual(before)
  expect(await world.held()).toEqual(holds)
  // Nor does it go later, when the same is read again.
  await sql`insert into target_dirt (family_id, kind) values (${entra}, 'all')`.execute(world.db)
  await world.resolve()
  expect(await world.given()).toEqual(before)
})

test('two who swap their names, and one who takes the name of another, take no computer of the other', async () => {
  const users = async () => {
    const { rows } = await sql<{ name: string; id: string }>`
      select distinct c.computer_name as name, p.object_id as id from computer_targets c join persons p using (person_id)
      where c.computer_name in ('PC-1', 'PC-2', 'PC-3', 'PC-4')`.execute(world.db)
    return Object.fromEntries(rows.map(({ name, id }) => [name, id]))
  }
  const own = Object.fromEntries(numbers(4).map((n) => [`PC-${n}`, guid(n, 1)]))
  expect(await users()).toEqual(own)
  const named = (n: number, name: string) =>
    user(n, { ...engineer, userPrincipalName: `${name}@contoso.example` })
  await world.sync('delta', { users: [named(1, 'user2'), named(2, 'user1')] })
  expect(await users()).toEqual(own)
  // The fourth is told to be renamed only later; the third has no computer then, rather than the fourth's one.
  await world.sync('delta', { users: [named(3, 'user4')] })
  await world.sync('delta', { users: [named(4, 'fourth')] })
  const { 'PC-3': third, ...others } = own
  expect(third).toBeDefined()
  expect(await users()).toEqual(others)
})

interface Told {
  /** What an operator is shown beforehand that would go. */
  lost: number
}
const options = (keep: boolean) => ({ keep, actor: 'test', sampledTenants: 1 })
const acts: [string, (keep: boolean) => Promise<Told>, Record<string, number>][] = [
  [
    'a deployment is removed',
    async (keep) => ({
      lost: (await removeByName(world.context, ['by licence'], options(keep))).persons.lose,
    }),
    { 'by licence': 0, 'by licence on computers': 0 },
  ],
  [
    'the tenant is left out of cross-tenant deployments',
    async (keep) => {
      const rules = { inCrossTenantDeployments: false }
      return { lost: (await setTenantRules(world.context, tenant, rules, options(keep))).persons.lose }
    },
    { everyone: 0, 'by nesting': 0, 'by team': meant },
  ],
  [
    'the tenant is unlinked',
    async (keep) => {
      const request = { tenantId: tenant, domains: [], actor: 'test' }
      // Without a confirmation it is refused, and says why.
      expect(await unlinkTenant(world.db, request)).toMatchObject({
        applied: false,
        reasons: ['left_without_tenant'],
      })
      const { moves } = await unlinkTenant(world.db, request, keep ? { confirmed: true } : { preview: true })
      await world.resolve()
      return { lost: moves.reduce((sum, { persons }) => sum + persons, 0) }
    },
    { everyone: 0, 'by team': 0 },
  ],
  [
    'an import changes the primary users of computers',
    async (keep) => {
      const records = engineers().map((n) => ({
        place: `record ${n}`,
        values: { tenant: 'Contoso', name: `PC-${n}`, primary_user_principal_name: '' },
      }))
      const read = { records, problems: [] }
      const guard = { holdMin: 10, holdPercent: 20, holdMax: 1000 }
      const given = { replace: false, guard, actor: 'test' }
      // Without a confirmation it is refused, and says why.
      expect(await importComputers(world.db, read, { ...given, keep: true, confirmed: false })).toMatchObject(
        { applied: false, tooLarge: [{ reason: 'over_percent' }] },
      )
      const plan = await importComputers(world.db, read, { ...given, keep, confirmed: true })
      await world.resolve()
      return {
        lost: plan.losing.length,
      }
    },
    { 'by nesting': meant, 'by nesting on computers': 0 },
  ],
]
const losers: Record<string, number> = {
  'the tenant is left out of cross-tenant deployments': people,
  'the tenant is unlinked': people,
}

test.each(acts)(
  '%s: the operator is shown it first, and then it is done without a hold',
  async (name, act, then) => {
    const before = await world.given()
    const told = { lost: losers[name] ?? meant }
    expect(await act(false)).toEqual(told)
    expect(await world.given()).toEqual(before)
    expect(await act(true)).toEqual(told)
    expect(await world.given()).toMatchObject(then)
    expect(await world.held()).toEqual([])
  },
)

test('an app entitlement that a deployment names cannot be left out of the configuration', async () => {
  const before = await world.given()
  await expect(syncEntitlements(world.db, [])).rejects.toMatchObject({ code: 'entitlement_in_use' })
  await world.resolve()
  expect(await world.given()).toEqual(before)
})
