import { randomUUID } from 'node:crypto'
import { sql, type Kysely } from 'kysely'
import { pino } from 'pino'
import { onTestFinished } from 'vitest'
import type { Database } from '../../../src/db/tables.ts'
import type { ConfiguredGraph } from '../../../src/graph-of-config.ts'
import type { SyncContext } from '../../../src/sync/context.ts'
import { openOwnApps, type OwnApps } from '../own-apps.ts'
import { syncOnce } from '../../sync/scripted.ts'

export interface Filled extends OwnApps {
  db: Kysely<Database>
  graph: ConfiguredGraph
  sync: SyncContext
}

/** A partner, its customer and a standalone Entra tenant that is a stranger to both, with rows in every table. */
export async function openFilled(): Promise<Filled & { stranger: string }> {
  const apps = await openOwnApps()
  onTestFinished(() => apps.close())
  const { db } = apps.database
  const graph = await apps.process()
  const sync: SyncContext = {
    db,
    graphFor: graph.forTenant,
    log: pino({ level: 'silent' }),
    worker: 'worker-1',
    timings: { leaseMs: 60_000, renewMs: 15_000, sliceMs: 60_000 },
    guard: { holdMin: 5, holdPercent: 10, holdMax: 500 },
    appIdFor: graph.appIdFor,
    intervals: { syncMs: 1_800_000, reconcileMs: 86_400_000 },
  }
  const stranger = randomUUID()
  await sql`insert into entra_tenants (entra_tenant_id, display_name) values (${stranger}, 'Stranger')`.execute(
    db,
  )
  await linkTenant(db, apps.partner, 'The MSP', true)
  await syncOnce(sync, apps.partner)
  await syncOnce(sync, apps.customer)
  await fill(apps, apps.customer, apps.partner)
  await fill(apps, stranger, apps.partner)
  return { ...apps, db, graph, sync, stranger }
}

export async function linkTenant(
  db: Kysely<Database>,
  entraTenantId: string,
  name: string,
  msp = false,
): Promise<void> {
  const slug = name.toLowerCase().replaceAll(' ', '-')
  await sql`with t as (insert into tenants (name, slug, is_msp) values (${name}, ${slug}, ${msp}) returning tenant_id)
    insert into tenant_links (tenant_id, entra_tenant_id) select tenant_id, ${entraTenantId} from t`.execute(
    db,
  )
}

const sealed = `sealed1:abcdefabcdef:${'A'.repeat(60)}`

/** A row in each table that a sync of these few objects leaves empty. */
async function fill({ database: { db }, cloud }: OwnApps, id: string, partner: string): Promise<void> {
  const [object, sku, round, app] = [randomUUID(), randomUUID(), randomUUID(), cloud.clientId]
  await linkTenant(db, id, `Tenant of ${id.slice(0, 8)}`)
  for (const statement of [
    sql`insert into persons (entra_tenant_id, object_id, user_principal_name, protected_reason)
      values (${id}, ${object}, ${`boss@${id.slice(0, 8)}.example`}, 'logs in')`,
    sql`insert into person_licenses (entra_tenant_id, object_id, sku_id) values (${id}, ${object}, ${sku})`,
    sql`insert into person_license_sources (entra_tenant_id, object_id, sku_id) values (${id}, ${object}, ${sku})`,
    sql`insert into license_sources_due values (${id}, ${object}) on conflict do nothing`,
    sql`insert into groups (entra_tenant_id, object_id, kind) values (${id}, ${object}, 'security')`,
    sql`insert into group_members values (${id}, ${object}, ${object}, 'user')`,
    sql`insert into devices (entra_tenant_id, object_id) values (${id}, ${object})`,
    sql`insert into subscribed_skus (entra_tenant_id, sku_id, sku_part_number) values (${id}, ${sku}, 'X')`,
    sql`insert into sku_service_plans values (${id}, ${sku}, ${object}, 'PLAN')`,
    sql`insert into sync_requests (entra_tenant_id, requested_seq) values (${id}, 3)
      on conflict (entra_tenant_id) do update set requested_seq = sync_requests.requested_seq + 1`,
    sql`insert into sync_leases (entra_tenant_id) values (${id}) on conflict do nothing`,
    sql`insert into sync_cursors (entra_tenant_id, collection, round_id) values (${id}, 'other', ${round})`,
    sql`insert into sync_seen (round_id, kind, key) values (${round}, 'person', array[${object}::uuid])`,
    sql`insert into sync_pending_removals (round_id, entra_tenant_id, kind, key)
      values (${round}, ${id}, 'person', array[${object}::uuid])`,
    sql`insert into sync_runs (entra_tenant_id, mode) values (${id}, 'delta')`,
    sql`insert into applied_removals (entra_tenant_id, kind, count) values (${id}, 'person', 1)`,
    sql`insert into hold_limits (entra_tenant_id, hold_percent, set_by) values (${id}, 20, 'anna')`,
    sql`with h as (insert into holds (entra_tenant_id, kind, reason, size, of_total)
        values (${id}, 'person', 'many', 1, 1) returning hold_id)
      insert into hold_items select hold_id, ${id}, 'person', array[${object}::uuid] from h`,
    sql`insert into problems (entra_tenant_id, code, message, remedy, who_acts)
      values (${id}, 'x', 'm', 'r', 'operator'), (${partner}, ${`about-${id}`}, 'm', ${`entra-sync status ${id}`}, 'operator')`,
    sql`insert into problem_silences (entra_tenant_id, created_by) values (${id}, 'test')`,
    sql`insert into consents (entra_tenant_id, app_id, status, granted_at) values (${id}, ${app}, 'granted', now())`,
    sql`insert into consent_tickets values (sha256(${id}::bytea), ${id}, ${app}, 'test', now(), now() + interval '1 day')`,
    sql`insert into consent_requests (state_hash, entra_tenant_id, app_id, requested_by, browser_hash, expires_at)
      values (sha256(${id}::bytea), ${id}, ${app}, 'test', 'x', now() + interval '10 minutes')`,
    sql`insert into preconsents (entra_tenant_id, app_id, partner_entra_tenant_id, requested_by)
      values (${id}, ${app}, ${partner}, 'test')`,
    sql`insert into partner_sign_ins (partner_entra_tenant_id, user_object_id, app_id, sealed, signed_in_by)
      values (${id}, ${object}, ${app}, ${sealed}, 'test')`,
    sql`insert into partner_sign_in_requests
        (state_hash, partner_entra_tenant_id, app_id, requested_by, browser_hash, sealed, expires_at)
      values (sha256(${id}::bytea), ${id}, ${app}, 'test', 'x', ${sealed}, now())`,
    sql`with a as (insert into app_registrations (entra_tenant_id, client_id) values (${id}, ${object}) returning app_id)
      insert into app_credentials (app_id, entra_tenant_id, kind, sealed) select app_id, ${id}, 'secret', ${sealed} from a`,
    sql`insert into gdap_customers (partner_entra_tenant_id, entra_tenant_id) values (${partner}, ${id})`,
    sql`insert into gdap_relationships (relationship_id, partner_entra_tenant_id, entra_tenant_id, status)
      values (${`r-${id}`}, ${partner}, ${id}, 'terminated')`,
    sql`insert into target_failures (family_id, code, message) values (${id}, 'x', 'm')`,
    sql`insert into target_families (family_id) values (${id})`,
    sql`insert into target_dirt (family_id, kind) values (${id}, 'all')`,
    sql`with i as (insert into maintenance_items (name) values (gen_random_uuid()::text) returning item_id)
      insert into deployment_targets (tenant_id, family_id, subject_kind, subject_id, item_id, deployment_id, scope, version,
        desired_state, enforcement, reason)
      select l.tenant_id, ${id}, 'person', p.person_id, i.item_id, ${object}, 'cross_tenant', 'latest', 'installed', 'required',
        '{"by": "everyone"}'
      from i, tenant_links l join persons p using (entra_tenant_id)
      where l.entra_tenant_id = ${id} and p.object_id = ${object}`,
    sql`insert into audit_log (actor, action, entra_tenant_id) values ('test', 'imported', ${id})`,
  ])
    await statement.execute(db)
}

/** Rows of each base table that name the Entra tenant anywhere, or (`naming` false) do not, as text. */
export async function rowsNaming(
  db: Kysely<Database>,
  entraTenantId: string,
  naming = true,
): Promise<Map<string, string[]>> {
  const { rows: tables } = await sql<{ name: string }>`
    select table_name as name from information_schema.tables
    where table_schema = 'entra_sync' and table_type = 'BASE TABLE'
      and table_name not in ('audit_log', 'schema_migrations') order by 1`.execute(db)
  const found = new Map<string, string[]>()
  for (const { name } of tables) {
    const { rows } = await sql<{ row: string }>`
      select t::text as row from entra_sync.${sql.id(name)} t
      where (position(${entraTenantId} in t::text) > 0) = ${naming} order by 1`.execute(db)
    found.set(
      name,
      rows.map(({ row }) => row),
    )
  }
  return found
}
