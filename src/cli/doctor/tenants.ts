import { sql } from 'kysely'
import {
  counted,
  day,
  idOf,
  namesOf,
  ok,
  warn,
  type DoctorContext,
  type Finding,
  type Named,
} from './finding.ts'

// As long before the end of a relationship a customer is asked to renew it.
const warnDays = 30

interface GdapRow extends Named {
  active: boolean
  endsAt: Date | null
  ending: boolean
}

/** What `doctor` says of the relationships with the customers that are synced. */
export async function checkGdap({ db }: DoctorContext): Promise<Finding[]> {
  const check = 'GDAP'
  const { rows } = await sql<GdapRow>`
    select entra_tenant_id as id, coalesce(display_name, default_domain, entra_tenant_id::text) as name,
      coalesce(gdap_active, false) as active, gdap_ends_at as "endsAt",
      coalesce(gdap_active and not coalesce(gdap_auto_extends, false)
        and gdap_ends_at < now() + make_interval(days => ${warnDays}), false) as ending
    from entra_sync.tenant_status
    where kind = 'customer' and state not in ('gone', 'offboarded', 'disabled')
    order by gdap_ends_at nulls first, 2`.execute(db)
  const ended = rows.filter(({ active }) => !active)
  const ending = rows.filter((row) => row.ending)
  const good = rows.length - ended.length - ending.length
  const found = good === 0 ? [] : [ok(check, `${counted(good, 'customer')} active`)]
  if (ending.length > 0) {
    const dated = ending.map(({ name, endsAt }) => ({
      name: `${name} (${endsAt === null ? '?' : day(endsAt)})`,
    }))
    found.push(
      warn(
        check,
        `ends soon without auto-extend at ${counted(ending.length, 'customer')}: ${namesOf(dated)}`,
        'Set auto-extend in Partner Center (Customers > Admin relationships), or request a new relationship.',
      ),
    )
  }
  if (ended.length > 0) {
    found.push(
      warn(
        check,
        `ended at ${counted(ended.length, 'customer')}, which are not synced: ${namesOf(ended)}`,
        `Request a new relationship in Partner Center; for a customer that left: entra-sync offboard ${idOf(ended)}.`,
      ),
    )
  }
  return found
}

/** What `doctor` says of customers that were found and not imported. */
export async function checkCustomers({ db }: DoctorContext): Promise<Finding[]> {
  const check = 'customers'
  const { rows } = await sql<Named & { imported: boolean; active: boolean }>`
    select distinct on (c.entra_tenant_id) c.entra_tenant_id as id, coalesce(c.display_name, c.entra_tenant_id::text) as name,
      e.entra_tenant_id is not null as imported, coalesce(g.active, false) as active
    from entra_sync.gdap_customers c
    left join entra_sync.entra_tenants e using (entra_tenant_id)
    left join entra_sync.gdap_status g using (entra_tenant_id)
    where c.missing_since is null order by c.entra_tenant_id`.execute(db)
  if (rows.length === 0) return []
  const left = rows
    .filter(({ imported, active }) => !imported && active)
    .toSorted((a, b) => a.name.localeCompare(b.name))
  const imported = rows.filter((row) => row.imported).length
  if (left.length === 0) return [ok(check, `${counted(imported, 'customer')} imported, none left`)]
  return [
    warn(
      check,
      `found and not imported: ${counted(left.length, 'customer')}: ${namesOf(left)}`,
      `Import them: entra-sync customers import ${left.length === 1 ? idOf(left) : '--all'}.`,
    ),
  ]
}

/** What `doctor` says of Entra tenants without a default link, and of tenants without an Entra tenant. */
export async function checkLinks({ db }: DoctorContext): Promise<Finding[]> {
  const check = 'links'
  const { rows } = await sql<Named & { linked: boolean }>`
    select s.entra_tenant_id as id, coalesce(s.display_name, s.default_domain, s.entra_tenant_id::text) as name,
      exists (select from entra_sync.tenant_links l where l.entra_tenant_id = s.entra_tenant_id and l.domain is null) as linked
    from entra_sync.tenant_status s where s.state not in ('gone', 'offboarded', 'disabled') order by 2`.execute(
    db,
  )
  const { rows: tenants } = await sql<Named>`
    select t.slug as id, t.name from entra_sync.tenants t
    where not t.is_msp and not exists (select from entra_sync.tenant_links l where l.tenant_id = t.tenant_id)
    order by 2`.execute(db)
  const loose = rows.filter(({ linked }) => !linked)
  const linked = rows.length - loose.length
  const found = linked === 0 ? [] : [ok(check, `${counted(linked, 'Entra tenant')} linked`)]
  if (loose.length > 0) {
    found.push(
      warn(
        check,
        `${counted(loose.length, 'Entra tenant')} without a tenant, whose persons belong to nobody: ${namesOf(loose)}`,
        `Link: entra-sync link TENANT ${idOf(loose)}.`,
      ),
    )
  }
  if (tenants.length > 0) {
    found.push(
      warn(
        check,
        `${counted(tenants.length, 'tenant')} without an Entra tenant: ${namesOf(tenants)}`,
        `Link: entra-sync link ${tenants.length === 1 ? idOf(tenants) : 'TENANT'} ID-OR-DOMAIN.`,
      ),
    )
  }
  return found
}
