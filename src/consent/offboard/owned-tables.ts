import { sql, type RawBuilder } from 'kysely'

/** A table whose rows name the Entra tenant that they belong to. */
export interface OwnedTable {
  name: string
  /** Condition on its rows, which go by the alias `t`. */
  of(entraTenantId: string): RawBuilder<unknown>
  /** Goes into an archive: what was read and decided, not the engine's own notes. */
  archived: boolean
  /** Columns that are left out of an archive: secrets, sealed or hashed. */
  omitted?: readonly string[]
}

const byId = (id: string): RawBuilder<unknown> => sql`t.entra_tenant_id = ${id}::uuid`
const byPartner = (id: string): RawBuilder<unknown> => sql`t.partner_entra_tenant_id = ${id}::uuid`
const byEither = (id: string): RawBuilder<unknown> =>
  sql`${id}::uuid in (t.entra_tenant_id, t.partner_entra_tenant_id)`

const synced = (name: string): OwnedTable => ({ name, of: byId, archived: true })
const notes = (name: string): OwnedTable => ({ name, of: byId, archived: false })

/**
 * Every table with rows of an Entra tenant, in the order in which a purge empties them: what refers comes before what
 * it refers to. `entra_tenants` itself is the last, and `audit_log` stays; a test compares the list with the schema.
 */
export const ownedTables: readonly OwnedTable[] = [
  synced('group_members'),
  synced('person_licenses'),
  synced('person_license_sources'),
  notes('license_sources_due'),
  synced('persons'),
  synced('groups'),
  synced('devices'),
  synced('sku_service_plans'),
  synced('subscribed_skus'),
  {
    name: 'sync_seen',
    of: (id) =>
      sql`t.round_id in (select c.round_id from entra_sync.sync_cursors c where c.entra_tenant_id = ${id}::uuid)`,
    archived: false,
  },
  notes('sync_pending_removals'),
  notes('applied_removals'),
  synced('hold_items'),
  synced('holds'),
  synced('hold_limits'),
  synced('sync_runs'),
  // Their links carry delta tokens of Graph.
  notes('sync_cursors'),
  notes('sync_requests'),
  notes('sync_leases'),
  synced('problems'),
  synced('problem_silences'),
  notes('consent_tickets'),
  notes('consent_requests'),
  synced('consents'),
  { name: 'preconsents', of: byEither, archived: true },
  { name: 'partner_sign_in_requests', of: byPartner, archived: false },
  { name: 'partner_sign_ins', of: byPartner, archived: true, omitted: ['sealed'] },
  { name: 'app_credentials', of: byId, archived: true, omitted: ['sealed'] },
  synced('app_registrations'),
  { name: 'gdap_relationships', of: byEither, archived: true },
  { name: 'gdap_customers', of: byEither, archived: true },
  synced('tenant_links'),
]

/** What an archive holds: those tables, the Entra tenant itself, its ImmyBot tenants, and who did what. */
export const archivedTables: readonly OwnedTable[] = [
  synced('entra_tenants'),
  {
    name: 'tenants',
    of: (id) =>
      sql`t.tenant_id in (select l.tenant_id from entra_sync.tenant_links l where l.entra_tenant_id = ${id}::uuid)`,
    archived: true,
  },
  ...ownedTables.filter(({ archived }) => archived),
  // A purge does not delete them: they are taken away by the resolver, which tells the change feed.
  { name: 'deployment_targets', of: (id) => sql`t.family_id = ${id}::uuid`, archived: true },
  synced('audit_log'),
]
