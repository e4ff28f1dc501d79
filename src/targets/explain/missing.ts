import { sql, type Kysely } from 'kysely'
import type { Database } from '../../db/tables.ts'
import type { Candidate } from './read.ts'
import type { Subject } from './subject.ts'

/** What of the directory a person would need to know to see why a deployment does not reach a subject. */
export async function whatIsMissing(
  db: Kysely<Database>,
  subject: Subject,
  one: Candidate,
  licenseGraceMs: number,
): Promise<string> {
  const { target } = one
  switch (one.targetType) {
    case 'group':
    case 'team':
    case 'group_name':
      return missingGroup(db, subject, one)
    case 'license':
      return missingPlans(db, subject, licenseGraceMs, {
        sku: target['sku_id'] ?? null,
        plans: target['service_plan_id'] === undefined ? [] : [target['service_plan_id']],
        what: await nameOfLicense(db, target),
      })
    case 'app_entitlement':
      return missingEntitlement(db, subject, licenseGraceMs, target['entitlement'] ?? '')
    case 'tag':
      return `has no tag ${target['tag'] ?? ''} (${subject.tags.length === 0 ? 'no tags at all' : `tags: ${subject.tags.join(', ')}`})`
    case 'everyone':
      return 'it is for persons; a computer gets it through its primary user'
    case 'person':
    case 'computer':
      return `it is for another ${one.targetType}`
  }
}

async function missingGroup(db: Kysely<Database>, subject: Subject, one: Candidate): Promise<string> {
  const { rows } = await sql<{ name: string | null; members_visible: boolean; below: number }>`
    with recursive roots as (
      select r.group_id from deployment_roots r
      where r.deployment_id = ${one.deploymentId} and r.term = 0 and r.entra_tenant_id = ${subject.familyId}
    ), below as (
      select group_id from roots
      union
      select m.member_id from below b join group_members m on m.entra_tenant_id = ${subject.familyId} and m.group_id = b.group_id
      join groups g on g.entra_tenant_id = m.entra_tenant_id and g.object_id = m.member_id and g.deleted_at is null
      where m.member_type = 'group'
    )
    select g.display_name as name, g.members_visible, (select count(*) from below) - (select count(*) from roots) as below
    from roots r join groups g on g.entra_tenant_id = ${subject.familyId} and g.object_id = r.group_id
    order by g.display_name, g.object_id`.execute(db)
  const named = one.target['name'] ?? one.target['pattern'] ?? one.target['group_id'] ?? ''
  if (rows.length === 0) return `there is no group ${named} in this tenant's directory`
  const below = rows[0]?.below ?? 0
  const names = rows.slice(0, 3).map(({ name }) => name ?? 'a group without a name')
  const hidden = rows.filter(({ members_visible: visible }) => !visible).length
  return (
    `not in ${names.join(', ')}${rows.length > 3 ? ` and ${rows.length - 3} more` : ''}` +
    (below > 0 ? `, nor in the ${below} groups below` : '') +
    `${subject.objectId === null ? ' (not known in Entra, so in no group)' : ''}${hidden > 0 ? '; its members are hidden from us' : ''}`
  )
}

async function nameOfLicense(db: Kysely<Database>, target: Record<string, string>): Promise<string> {
  const { sku_id: sku = null, service_plan_id: plan = null } = target
  const { rows } = await sql<{ name: string }>`
    select sku_part_number as name from subscribed_skus where sku_id = ${sku}
    union all
    select service_plan_name from sku_service_plans where service_plan_id = ${plan} limit 1`.execute(db)
  return rows[0]?.name ?? sku ?? plan ?? ''
}

async function missingEntitlement(
  db: Kysely<Database>,
  subject: Subject,
  licenseGraceMs: number,
  entitlement: string,
): Promise<string> {
  const { rows } = await sql<{ product: string; yields_to: string | null; plans: string[]; other: string[] }>`
    select e.product_name as product, o.product_name as yields_to,
      array(select p.service_plan_id from app_entitlement_plans p where p.entitlement = e.entitlement) as plans,
      array(select p.service_plan_id from app_entitlement_plans p where p.entitlement = e.yields_to) as other
    from app_entitlements e left join app_entitlements o on o.entitlement = e.yields_to
    where e.entitlement = ${entitlement}`.execute(db)
  const [found] = rows
  if (found === undefined) return `there is no app entitlement ${entitlement}`
  const granted = await licensesWith(db, subject, licenseGraceMs, null, found.plans)
  const winning = await licensesWith(db, subject, licenseGraceMs, null, found.other)
  const usable = (licenses: License[]) => licenses.some((one) => one.honoured && !one.switched_off)
  if (found.yields_to !== null && usable(granted) && usable(winning))
    return `is licensed for ${found.yields_to} too, which wins: the two cannot be installed together`
  return missingPlans(db, subject, licenseGraceMs, { sku: null, plans: found.plans, what: found.product })
}

interface License {
  sku: string
  plan: string | null
  switched_off: boolean
  honoured: boolean
  status: string | null
  status_since: Date | null
  plan_status: string | null
}

async function missingPlans(
  db: Kysely<Database>,
  subject: Subject,
  licenseGraceMs: number,
  wanted: { sku: string | null; plans: string[]; what: string },
): Promise<string> {
  if (subject.kind === 'computer')
    return 'licences are of persons; a computer gets it through its primary user'
  const licenses = await licensesWith(db, subject, licenseGraceMs, wanted.sku, wanted.plans)
  if (licenses.length === 0) return `has no licence for ${wanted.what}`
  const why = licenses.map((one) => {
    if (one.status === null) return `${one.sku} is assigned, but the tenant no longer subscribes it`
    if (one.switched_off)
      return `${one.sku} is assigned, but its plan ${one.plan ?? ''} is switched off for this person`
    if (!one.honoured)
      return `${one.sku} is ${one.status.toLowerCase()}${one.status_since ? ` since ${one.status_since.toISOString().slice(0, 10)}` : ''}`
    return `plan ${one.plan ?? ''} of ${one.sku} is ${(one.plan_status ?? 'unusable').toLowerCase()}`
  })
  return why.join('; ')
}

async function licensesWith(
  db: Kysely<Database>,
  subject: Subject,
  licenseGraceMs: number,
  skuId: string | null,
  plans: readonly string[],
): Promise<License[]> {
  const { rows } = await sql<License>`
    select coalesce(s.sku_part_number, l.sku_id::text) as sku, p.service_plan_name as plan,
      coalesce(p.service_plan_id = any (l.disabled_plans), false) as switched_off, s.capability_status as status, s.status_since,
      p.provisioning_status as plan_status,
      exists (select from honoured_skus(array[${subject.familyId}::uuid], make_interval(secs => ${licenseGraceMs / 1000})) h
        where h.sku_id = l.sku_id) as honoured
    from person_licenses l
    left join subscribed_skus s using (entra_tenant_id, sku_id)
    left join sku_service_plans p on p.entra_tenant_id = l.entra_tenant_id and p.sku_id = l.sku_id
      and p.service_plan_id = any (${[...plans]}::uuid[])
    where l.entra_tenant_id = ${subject.familyId} and l.object_id = ${subject.objectId}
      and (l.sku_id = ${skuId}::uuid or p.service_plan_id is not null)
    order by 1, 2`.execute(db)
  return rows
}
