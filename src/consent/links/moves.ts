import { sql, type Transaction } from 'kysely'
import type { Database } from '../../db/tables.ts'

/** Persons that a change of links takes from one tenant to another. */
export interface Move {
  /** null = they had none. */
  fromTenantId: string | null
  fromTenant: string | null
  /** null = they have none any more, and so no targets. */
  toTenantId: string | null
  toTenant: string | null
  persons: number
  /** A few of them, by user principal name. */
  samples: string[]
  /** Those who can log in to ImmyBot, by user principal name; all of them up to a hundred. */
  protectedPersons: string[]
  /** The partner's own people, likewise; empty for other kinds of Entra tenants. */
  partnerPersons: string[]
}

/**
 * Who would move if `assign_tenants` ran now for these Entra tenants: what is stored compared with what the links say.
 * Soft-deleted persons count: one that is restored comes back where it was moved. A partner is told by the links as they
 * will be and by the MSP's own persons as they are, since the MSP's own link may be the one that goes.
 */
export async function readMoves(
  trx: Transaction<Database>,
  entraTenantIds: readonly string[],
): Promise<Move[]> {
  const { rows } = await sql<Move>`
    with partners as (
      select entra_tenant_id from entra_sync.tenant_status
      where kind = 'partner' and entra_tenant_id = any (${entraTenantIds}::uuid[])
      union
      select p.entra_tenant_id from entra_sync.persons p join entra_sync.tenants t using (tenant_id)
      where t.is_msp and p.entra_tenant_id = any (${entraTenantIds}::uuid[])
    ), wanted as (
      select p.person_id, p.tenant_id as from_id, coalesce(d.tenant_id, f.tenant_id) as to_id,
        coalesce(p.user_principal_name, p.display_name, p.person_id::text) as name, p.protected_reason is not null as protected,
        p.entra_tenant_id in (select entra_tenant_id from partners) as partner
      from entra_sync.persons p
      left join entra_sync.tenant_links d on d.entra_tenant_id = p.entra_tenant_id
        and d.domain = lower(split_part(p.user_principal_name, '@', 2))
      left join entra_sync.tenant_links f on f.entra_tenant_id = p.entra_tenant_id and f.domain is null
      where p.entra_tenant_id = any (${entraTenantIds}::uuid[])
    )
    select w.from_id as "fromTenantId", a.name as "fromTenant", w.to_id as "toTenantId", b.name as "toTenant",
      count(*)::int as persons,
      (array_agg(w.name order by w.name))[1:5] as samples,
      coalesce((array_agg(w.name order by w.name) filter (where w.protected))[1:100], '{}') as "protectedPersons",
      coalesce((array_agg(w.name order by w.name) filter (where w.partner))[1:100], '{}') as "partnerPersons"
    from wanted w
    left join entra_sync.tenants a on a.tenant_id = w.from_id
    left join entra_sync.tenants b on b.tenant_id = w.to_id
    where w.from_id is distinct from w.to_id
    group by 1, 2, 3, 4 order by 2 nulls first, 4 nulls first, 1, 3`.execute(trx)
  return rows
}
