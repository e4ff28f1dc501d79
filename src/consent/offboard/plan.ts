import { sql, type Kysely } from 'kysely'
import type { Database } from '../../db/tables.ts'
import { EntraSyncError } from '../../errors.ts'

/** What is there of an Entra tenant, before it is offboarded. */
export interface OffboardPlan {
  entraTenantId: string
  name: string
  kind: 'partner' | 'customer' | 'standalone'
  state: string
  /** When it was offboarded before; null = never. */
  offboardedAt: Date | null
  /** ImmyBot tenants that are linked to it. They stay. */
  tenants: string[]
  counts: {
    persons: number
    groups: number
    members: number
    licenses: number
    devices: number
    skus: number
    runs: number
    openProblems: number
    openHolds: number
    targets: number
  }
  /** Persons who can log in to ImmyBot, by user principal name or name. */
  protectedPersons: string[]
  /** A partner still reaches it: importing all customers would bring it back. */
  gdapActive: boolean
}

/**
 * Counts what is there. @throws kind `input`: `tenant_unknown`; `offboard_msp` for the MSP's own Entra tenant;
 * `offboard_partner` for a partner that still has customers (with `purge` also offboarded ones, whose rows name it).
 */
export async function planOffboard(
  db: Kysely<Database>,
  entraTenantId: string,
  { purge }: { purge: boolean },
): Promise<OffboardPlan> {
  await refuseUnfit(db, entraTenantId, purge)
  const { rows } = await sql<OffboardPlan>`
    select s.entra_tenant_id as "entraTenantId",
      coalesce(s.display_name, s.default_domain, s.entra_tenant_id::text) as name, s.kind, s.state,
      e.offboarded_at as "offboardedAt", coalesce(s.gdap_active, false) as "gdapActive",
      array(select t.name from entra_sync.tenant_links l join entra_sync.tenants t using (tenant_id)
        where l.entra_tenant_id = e.entra_tenant_id order by l.domain nulls first) as tenants,
      array(select coalesce(p.user_principal_name, p.display_name, p.person_id::text) from entra_sync.persons p
        where p.entra_tenant_id = e.entra_tenant_id and p.protected_reason is not null order by 1) as "protectedPersons",
      jsonb_build_object(
        'persons', (select count(*) from entra_sync.persons x where x.entra_tenant_id = e.entra_tenant_id),
        'groups', (select count(*) from entra_sync.groups x where x.entra_tenant_id = e.entra_tenant_id),
        'members', s.members, 'devices', s.devices, 'skus', s.skus,
        'licenses', (select count(*) from entra_sync.person_licenses x where x.entra_tenant_id = e.entra_tenant_id),
        'runs', (select count(*) from entra_sync.sync_runs x where x.entra_tenant_id = e.entra_tenant_id),
        'openProblems', s.problems + s.problems_silenced, 'openHolds', s.holds,
        'targets', (select count(*) from entra_sync.deployment_targets x where x.family_id = e.entra_tenant_id)) as counts
    from entra_sync.tenant_status s join entra_sync.entra_tenants e using (entra_tenant_id)
    where s.entra_tenant_id = ${entraTenantId}`.execute(db)
  const [plan] = rows
  if (plan === undefined) throw unknown(entraTenantId)
  return plan
}

/** Throws as `planOffboard`; to be asked again in the transaction that stops the Entra tenant. */
export async function refuseUnfit(
  db: Kysely<Database>,
  entraTenantId: string,
  purge: boolean,
): Promise<void> {
  const { rows } = await sql<{ msp: string | null; customers: number; left: number }>`
    select (select min(t.name) from entra_sync.tenant_links l join entra_sync.tenants t using (tenant_id)
        where l.entra_tenant_id = e.entra_tenant_id and t.is_msp) as msp,
      (select count(*)::int from entra_sync.entra_tenants c where c.partner_entra_tenant_id = e.entra_tenant_id
        and c.offboarded_at is null and c.gone_at is null) as customers,
      (select count(*)::int from entra_sync.entra_tenants c
        where c.partner_entra_tenant_id = e.entra_tenant_id) as left
    from entra_sync.entra_tenants e where e.entra_tenant_id = ${entraTenantId}`.execute(db)
  const [row] = rows
  if (row === undefined) throw unknown(entraTenantId)
  if (row.msp !== null) {
    throw new EntraSyncError('input', `It is the Entra tenant of the MSP itself, ${row.msp}.`, {
      code: 'offboard_msp',
      remedy: 'Offboard its customers one by one; who leaves altogether drops the database.',
      tenant: entraTenantId,
    })
  }
  const customers = purge ? row.left : row.customers
  if (customers > 0) {
    const which = purge ? 'rows of customers that name it' : 'customers that are synced through it'
    throw new EntraSyncError('input', `It is a partner with ${customers} ${which}.`, {
      code: 'offboard_partner',
      remedy: purge
        ? 'Purge its customers first (entra-sync offboard ID --purge --yes) or detach them (entra-sync customers detach ID).'
        : 'Offboard its customers first (entra-sync offboard ID --yes) or detach them (entra-sync customers detach ID).',
      tenant: entraTenantId,
    })
  }
}

function unknown(entraTenantId: string): EntraSyncError {
  return new EntraSyncError('input', `No Entra tenant ${entraTenantId} is known.`, {
    code: 'tenant_unknown',
    remedy: '`entra-sync status` lists all of them; one that was purged is not known any more.',
    tenant: entraTenantId,
  })
}
