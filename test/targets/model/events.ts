import fc from 'fast-check'
import { sql, type RawBuilder } from 'kysely'
import { assign, domains, ids, people, plans } from './estate.ts'

/** Something that happens to the estate. */
export interface Event {
  what: string
  run: RawBuilder<unknown>[]
}

const of = <T>(list: readonly T[]) => fc.constantFrom(...list)
const maybe = fc.integer({ min: 0, max: 3 }).map((n) => n === 0)
const when = (gone: boolean) => (gone ? sql`now()` : sql`null`)
const event = (what: string, ...run: RawBuilder<unknown>[]): Event => ({ what, run })

const members = fc
  .record({
    entra: of(ids.entra),
    group: of(ids.groups),
    members: fc.subarray([...ids.objects, ...ids.groups, ...ids.devices], { minLength: 1, maxLength: 6 }),
    leave: maybe,
  })
  .map(({ entra, group, members: list, leave }) =>
    event(
      `${list.join()} ${leave ? 'leave' : 'join'} ${group} of ${entra}`,
      leave
        ? sql`delete from group_members where entra_tenant_id = ${entra} and group_id = ${group} and member_id = any (${list}::uuid[])`
        : sql`insert into group_members select ${entra}, ${group}, m,
            case left(m::text, 8) when '00000004' then 'group' when '00000005' then 'device' else 'user' end
            from unnest(${list}::uuid[]) m on conflict do nothing`,
    ),
  )

// A group is there or gone in all Entra tenants at once, since an id is one group's in the real world.
const group = fc
  .record({
    entra: of(ids.entra),
    group: of(ids.groups),
    name: of(['Engineering', 'ENGINEERING', 'Eng_1', 'Engx1', '50%', 'Sales', null]),
    fate: of(['rename', 'rename', 'delete', 'restore', 'purge', 'make']),
  })
  .map(({ entra, group: id, name, fate }) => {
    const what = `${fate} group ${id} ${name}`
    if (fate === 'rename')
      return event(
        what,
        sql`update groups set display_name = ${name} where object_id = ${id} and entra_tenant_id = ${entra}`,
      )
    if (fate === 'purge') return event(what, sql`delete from groups where object_id = ${id}`)
    if (fate === 'make')
      return event(
        what,
        sql`insert into groups (entra_tenant_id, object_id, display_name, kind)
          select e, ${id}, ${name}, 'microsoft365' from unnest(${ids.entra}::uuid[]) e on conflict do nothing`,
      )
    return event(what, sql`update groups set deleted_at = ${when(fate === 'delete')} where object_id = ${id}`)
  })

const person = fc
  .record({
    at: of(people),
    enabled: of([true, true, false, null]),
    type: of(['Member', 'member', 'GUEST', null]),
    department: of(['Design', 'SALES', ' design', null]),
    upn: fc.tuple(of(['p1', 'P2', 'p3']), of([...domains, 'A.example'])).map((parts) => parts.join('@')),
    guest: maybe,
    tags: of([[], ['cad'], ['CAD', 'vip'], ['cad2']]),
    gone: maybe,
  })
  .map(({ at, enabled, type, department, upn, guest, tags, gone }) =>
    event(
      `person ${at.id} ${JSON.stringify({ enabled, type, department, upn, guest, tags, gone })}`,
      sql`insert into persons (person_id, entra_tenant_id, object_id, user_principal_name) values (${at.id}, ${at.entra}, ${at.object}, ${upn})
        on conflict do nothing`,
      sql`update persons set account_enabled = ${enabled}, user_type = ${type}, department = ${department}, tags = ${tags}::text[],
        user_principal_name = ${guest ? `${upn.replace('@', '_')}#Ext#@a.example` : upn}, deleted_at = ${when(gone)} where person_id = ${at.id}`,
      ...assign,
    ),
  )

const purge = of(people).map(({ id }) =>
  event(`person ${id} purged`, sql`delete from persons where person_id = ${id}`),
)

const license = fc
  .record({
    entra: of(ids.entra),
    objects: fc.subarray(ids.objects, { minLength: 1 }),
    sku: of(ids.skus),
    taken: maybe,
    off: fc.subarray(Object.values(plans), { maxLength: 2 }),
  })
  .map(({ entra, objects, sku, taken, off }) =>
    event(
      `${objects.join()} of ${entra} ${taken ? 'lose' : 'have'} ${sku} without ${off.join()}`,
      taken
        ? sql`delete from person_licenses where entra_tenant_id = ${entra} and object_id = any (${objects}::uuid[]) and sku_id = ${sku}`
        : sql`insert into person_licenses select ${entra}, o, ${sku}, ${off}::uuid[] from unnest(${objects}::uuid[]) o
            on conflict (entra_tenant_id, object_id, sku_id) do update set disabled_plans = excluded.disabled_plans`,
    ),
  )

const sku = fc
  .record({
    entra: of(ids.entra),
    id: of(ids.skus),
    status: of(['Enabled', 'Warning', 'Suspended', 'LockedOut', null]),
    days: of([1, 60]),
    plan: of(Object.values(plans)),
    provisioning: of(['Success', 'Disabled', 'Error', 'PendingInput', null]),
    ended: maybe,
  })
  .map(({ entra, id, status, days, plan, provisioning, ended }) =>
    event(
      `SKU ${id} of ${entra} ${ended ? 'ended' : `${status} since ${days}`}, plan ${plan} ${provisioning}`,
      ...(ended
        ? [sql`delete from subscribed_skus where entra_tenant_id = ${entra} and sku_id = ${id}`]
        : [
            sql`insert into subscribed_skus (entra_tenant_id, sku_id, sku_part_number, capability_status, status_since)
              values (${entra}, ${id}, ${`SKU ${status}`}, ${status}, now() - make_interval(days => ${days}))
              on conflict (entra_tenant_id, sku_id) do update set capability_status = excluded.capability_status, status_since = excluded.status_since`,
            sql`insert into sku_service_plans values (${entra}, ${id}, ${plan}, 'PLAN', ${provisioning})
              on conflict (entra_tenant_id, sku_id, service_plan_id) do update set provisioning_status = excluded.provisioning_status`,
          ]),
    ),
  )

const entitlement = fc
  .record({ plan: of(Object.values(plans)), yields: of(['visio_desktop', null]) })
  .map(({ plan, yields }) =>
    event(
      `own_app by ${plan} yields to ${yields}`,
      sql`update app_entitlements set yields_to = ${yields} where entitlement = 'own_app'`,
      sql`update app_entitlement_plans set service_plan_id = ${plan} where entitlement = 'own_app'`,
    ),
  )

const link = fc
  .record({ tenant: of([1, 2, 4]), domain: of(['b.example', 'ba.example', null]), unlinked: maybe })
  .map(({ tenant, domain, unlinked }) => {
    const id = ids.tenants[tenant]
    const entra = ids.entra[domain === null ? 1 : 0]
    return event(
      `tenant ${tenant} ${unlinked ? 'unlinked' : `linked by ${domain}`}`,
      sql`delete from tenant_links where tenant_id = ${id}`,
      ...(unlinked
        ? []
        : [
            sql`delete from tenant_links where entra_tenant_id = ${entra} and domain is not distinct from ${domain}`,
            sql`insert into tenant_links values (${id}, ${entra}, ${domain})`,
          ]),
      ...assign,
    )
  })

// A parent always has the smaller number or is the last one, so that there is no ring.
const tenant = fc
  .record({ at: of([1, 2, 3, 4]), parent: of([0, 1, 2, 5, null]), cross: fc.boolean() })
  .map(({ at, parent, cross }) => {
    const above = parent === null || (parent >= at && parent !== 5) ? null : ids.tenants[parent]
    return event(
      `tenant ${at} below ${parent}, cross ${cross}`,
      sql`update tenants set parent_tenant_id = ${above ?? null}, in_cross_tenant_deployments = ${cross} where tenant_id = ${ids.tenants[at]}`,
    )
  })

const computer = fc
  .record({
    at: of(ids.computers),
    tenant: of(ids.tenants.filter((_, n) => n !== 3)),
    device: of([...ids.devices, null]),
    user: of(['p1@a.example', 'P2@B.EXAMPLE', 'p3@ba.example', null]),
    gone: maybe,
  })
  .map(({ at, tenant: owner, device, user, gone }) =>
    event(
      `computer ${at} ${gone ? 'gone' : `of ${owner}, device ${device}, user ${user}`}`,
      gone
        ? sql`delete from computers where computer_id = ${at} and tenant_id <> ${ids.tenants[3]}`
        : sql`insert into computers (computer_id, tenant_id, name, entra_device_id, primary_user_principal_name)
            values (${at}, ${owner}, ${at}, ${device}, ${user}) on conflict (computer_id) do update
            set tenant_id = case computers.tenant_id when ${ids.tenants[3]} then computers.tenant_id else excluded.tenant_id end,
              entra_device_id = excluded.entra_device_id, primary_user_principal_name = excluded.primary_user_principal_name`,
    ),
  )

const device = fc
  .record({
    entra: of(ids.entra),
    object: of(ids.devices),
    device: of([...ids.devices, null]),
    enabled: of([true, false, null]),
    gone: maybe,
  })
  .map(({ entra, object, device: id, enabled, gone }) =>
    event(
      `device ${object} of ${entra} ${gone ? 'gone' : `is ${id}, enabled ${enabled}`}`,
      gone
        ? sql`delete from devices where entra_tenant_id = ${entra} and object_id = ${object}`
        : sql`insert into devices (entra_tenant_id, object_id, device_id, account_enabled) values (${entra}, ${object}, ${id}, ${enabled})
            on conflict (entra_tenant_id, object_id) do update set device_id = excluded.device_id, account_enabled = excluded.account_enabled`,
    ),
  )

const frozen = fc
  .boolean()
  .map((gone) =>
    event(
      `Entra tenant 2 ${gone ? 'gone' : 'back'}`,
      sql`update entra_tenants set gone_at = ${when(gone)} where entra_tenant_id = ${ids.entra[2]}`,
    ),
  )

const target: fc.Arbitrary<readonly [string, Readonly<Record<string, string>>]> = fc.oneof(
  { weight: 2, arbitrary: fc.constant(['everyone', {}] as const) },
  {
    weight: 6,
    arbitrary: fc.tuple(
      of(['group', 'team']),
      of(ids.groups).map((group_id) => ({ group_id })),
    ),
  },
  {
    weight: 2,
    arbitrary: of(['engineering', 'eng_1', '50%', 'Nowhere']).map(
      (name) => ['group_name', { name }] as const,
    ),
  },
  {
    weight: 3,
    arbitrary: of(['eng*', 'eng_?', '?ng?1', '*%', '*']).map(
      (pattern) => ['group_name', { pattern }] as const,
    ),
  },
  { weight: 1, arbitrary: of(ids.skus).map((id) => ['license', { sku_id: id }] as const) },
  {
    weight: 2,
    arbitrary: of(Object.values(plans)).map((id) => ['license', { service_plan_id: id }] as const),
  },
  {
    weight: 3,
    arbitrary: of(['m365_apps_enterprise', 'm365_apps_business', 'visio_desktop', 'own_app']).map(
      (name) => ['app_entitlement', { entitlement: name }] as const,
    ),
  },
  { weight: 2, arbitrary: of(['cad', 'VIP']).map((tag) => ['tag', { tag }] as const) },
  { weight: 2, arbitrary: of(people).map(({ id }) => ['person', { person_id: id }] as const) },
  { weight: 2, arbitrary: of(ids.computers).map((id) => ['computer', { computer_id: id }] as const) },
)

const filters = fc.record(
  {
    accounts: of(['enabled', 'disabled', 'any']),
    guests: of(['exclude', 'include', 'only']),
    departments: of([['design'], ['sales', 'design']]),
    domains: of([['b.example'], ['a.example', 'ba.example']]),
  },
  { requiredKeys: [] },
)

export const deployed = fc
  .record({
    at: of(ids.deployments),
    item: of(ids.items),
    target,
    excludes: fc.oneof(
      { weight: 3, arbitrary: fc.constant<(readonly [string, Readonly<Record<string, string>>])[]>([]) },
      { weight: 1, arbitrary: fc.array(target, { minLength: 1, maxLength: 2 }) },
    ),
    tenant: of(ids.tenants),
    single: fc.boolean(),
    state: of(['installed', 'installed', 'uninstalled', 'update_if_found', 'ignored']),
    version: of(['latest', 'any', '2022']),
    enforcement: of(['required', 'onboarding', 'ad_hoc']),
    rank: of([100, 100, 50]),
    created: of(['2026-01-01', '2026-01-01', '2026-02-01']),
    filters: fc.oneof({ weight: 2, arbitrary: fc.constant({}) }, { weight: 1, arbitrary: filters }),
    disabled: maybe,
    removed: maybe,
  })
  .map((one) => {
    const [type, keys] = one.target
    if (one.removed)
      return event(
        `deployment ${one.at} removed`,
        sql`delete from deployments where deployment_id = ${one.at}`,
      )
    const scope =
      type === 'person' || type === 'computer'
        ? 'individual'
        : type === 'group' || type === 'team' || one.single
          ? 'single_tenant'
          : 'cross_tenant'
    const excludes = one.excludes.map(([kind, named]) => ({ type: kind, ...named }))
    return event(
      `deployment ${JSON.stringify({ ...one, scope, excludes })}`,
      sql`insert into deployments (deployment_id, name, item_id, scope, tenant_id, target_type, target, excludes, filters, desired_state,
          version, enforcement, rank, enabled, created_at)
        values (${one.at}, ${one.at}, ${one.item}, ${scope}, ${scope === 'single_tenant' ? one.tenant : null}, ${type}, ${JSON.stringify(keys)}::jsonb,
          ${JSON.stringify(excludes)}::jsonb, ${JSON.stringify(one.filters)}::jsonb, ${one.state}, ${one.version}, ${one.enforcement}, ${one.rank},
          ${!one.disabled}, ${one.created})
        on conflict (deployment_id) do update set item_id = excluded.item_id, scope = excluded.scope, tenant_id = excluded.tenant_id,
          target_type = excluded.target_type, target = excluded.target, excludes = excluded.excludes, filters = excluded.filters,
          desired_state = excluded.desired_state, version = excluded.version, enforcement = excluded.enforcement, rank = excluded.rank,
          enabled = excluded.enabled, created_at = excluded.created_at`,
    )
  })

export const directoryEvent = fc.oneof(
  { weight: 8, arbitrary: members },
  { weight: 4, arbitrary: group },
  { weight: 6, arbitrary: person },
  { weight: 1, arbitrary: purge },
  { weight: 5, arbitrary: license },
  { weight: 2, arbitrary: sku },
  { weight: 3, arbitrary: computer },
  { weight: 2, arbitrary: device },
)
export const anyEvent = fc.oneof(
  { weight: 31, arbitrary: directoryEvent },
  { weight: 1, arbitrary: entitlement },
  { weight: 3, arbitrary: link },
  { weight: 2, arbitrary: tenant },
  { weight: 2, arbitrary: frozen },
  { weight: 6, arbitrary: deployed },
)
