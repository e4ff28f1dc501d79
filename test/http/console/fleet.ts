import { randomUUID } from 'node:crypto'
import { sql, type Kysely } from 'kysely'
import type { Database } from '../../../src/db/tables.ts'

/** What an attacker would call a tenant. */
export const hostile = `<script>alert(1)</script>"'><img src=x onerror=alert(2)>`

export interface Fleet {
  partner: string
  customers: string[]
}

/** A partner with customers that stand in every way, one of them named by somebody hostile; nothing was synced. */
export async function addFleet(db: Kysely<Database>, customers: number): Promise<Fleet> {
  const partner = randomUUID()
  const ids = Array.from({ length: customers }, () => randomUUID())
  await sql`
    insert into entra_tenants (entra_tenant_id, display_name, default_domain, domains, last_synced_at)
    values (${partner}, 'Northwind MSP', 'northwind.example', '{northwind.example}', now() - interval '3 minutes')`.execute(
    db,
  )
  await sql`
    insert into entra_tenants (entra_tenant_id, display_name, default_domain, domains, partner_entra_tenant_id,
      last_synced_at, last_full_at, paused_at)
    select id::uuid, case when n = 1 then ${hostile} else 'Contoso ' || lpad(n::text, 4, '0') end,
      'contoso' || n || '.example', array['contoso' || n || '.example'], ${partner},
      case when n % 7 <> 3 then now() - make_interval(mins => (n % 40)::int) end, now() - interval '5 hours',
      case when n % 11 = 5 then now() end
    from unnest(${ids}::text[]) with ordinality as list (id, n)`.execute(db)
  await sql`
    insert into tenants (name, slug, is_msp)
    select case when n = 0 then 'Northwind' when n = 1 then ${hostile} else 'Contoso ' || n end, 'tenant-' || n, n = 0
    from generate_series(0, ${customers}::int) as n`.execute(db)
  await sql`
    insert into tenant_links (tenant_id, entra_tenant_id)
    select tenant_id, (array_prepend(${partner}, ${ids}::text[]))[split_part(slug, '-', 2)::int + 1]::uuid from tenants`.execute(
    db,
  )
  await sql`
    insert into gdap_customers (partner_entra_tenant_id, entra_tenant_id, display_name)
    select partner_entra_tenant_id, entra_tenant_id, display_name from entra_tenants
    where partner_entra_tenant_id is not null
    union all select ${partner}, gen_random_uuid(), ${hostile}`.execute(db)
  await sql`
    insert into gdap_relationships (relationship_id, partner_entra_tenant_id, entra_tenant_id, display_name, status,
      ends_at, auto_extends, roles)
    select 'relationship-' || n, ${partner}, id::uuid, case when n = 1 then ${hostile} else 'Support ' || n end,
      case when n % 9 = 4 then 'expired' else 'active' end, now() + make_interval(days => 20 + n::int), n % 3 = 0,
      '{9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3,e8611ab8-c189-46e8-94e1-60213ab1f814}'
    from unnest(${ids}::text[]) with ordinality as list (id, n)`.execute(db)
  await sql`
    insert into consents (entra_tenant_id, app_id, status, missing_roles, granted_at, granted_by, method, proved_at)
    select id::uuid, 'dddddddd-0000-4000-8000-000000000001',
      case when n % 13 = 6 then 'insufficient' when n % 17 = 8 then 'revoked' else 'granted' end,
      case when n % 13 = 6 then '{GroupMember.Read.All}'::text[] else '{}' end, now() - interval '9 days',
      case when n = 1 then ${hostile} end, 'pre_consent', now() - interval '1 hour'
    from unnest(${ids}::text[]) with ordinality as list (id, n)`.execute(db)
  await sql`
    insert into problems (entra_tenant_id, code, message, remedy, who_acts, request_id, opened_at)
    select id::uuid, case when n = 1 then 'graph_403' else 'consent_lost' end,
      case when n = 1 then ${hostile} else 'The app has lost the consent of this Entra tenant.' end,
      case when n = 1 then ${hostile} else 'Send its admin the consent link.' end, 'customer_admin',
      '8a1b6a3e-0000-4000-8000-000000000000', now() - make_interval(hours => n::int)
    from unnest(${ids}::text[]) with ordinality as list (id, n) where n = 1 or n % 17 = 8`.execute(db)
  await sql`
    insert into sync_runs (entra_tenant_id, mode, trigger, started_at, finished_at, outcome, requests, error_code, error_message)
    select id::uuid, 'delta', '{schedule}', now() - make_interval(mins => n::int), now() - make_interval(mins => n::int, secs => -4),
      case when n = 1 then 'failed' else 'succeeded' end, 3, case when n = 1 then 'graph_403' end,
      case when n = 1 then ${hostile} end
    from unnest(${ids}::text[]) with ordinality as list (id, n)`.execute(db)
  await sql`
    insert into holds (entra_tenant_id, kind, reason, size, of_total)
    values (${ids[0]}, 'person', ${hostile}, 40, 120)`.execute(db)
  await sql`
    insert into audit_log (actor, action, entra_tenant_id, detail)
    values (${hostile}, ${hostile}, ${ids[0]}, ${JSON.stringify({ name: hostile })}::jsonb)`.execute(db)
  return { partner, customers: ids }
}
