import { randomUUID } from 'node:crypto'
import { sql, type Kysely } from 'kysely'
import { pino } from 'pino'
import { onTestFinished } from 'vitest'
import type { Database } from '../../src/db/tables.ts'
import type { TargetContext } from '../../src/targets/context.ts'
import { testDatabase } from '../harness/database.ts'

/** A tenant with a default link to an Entra tenant that was synced whole. */
export interface WorldTenant {
  tenantId: string
  entraTenantId: string
  name: string
}

export interface World {
  db: Kysely<Database>
  url: string
  context: TargetContext
}

/** A database of its own, gone when the test ends. */
export async function emptyWorld(): Promise<World> {
  const { db, url, drop } = await testDatabase()
  onTestFinished(drop)
  const context: TargetContext = {
    db,
    guard: { holdMin: 5, holdPercent: 10, holdMax: 500 },
    licenseGraceMs: 30 * 86_400_000,
    log: pino({ level: 'silent' }),
  }
  return { db, url, context }
}

export async function tenantOf(
  { db }: Pick<World, 'db'>,
  name: string,
  parent?: WorldTenant,
): Promise<WorldTenant> {
  const [tenantId, entraTenantId] = [randomUUID(), randomUUID()]
  await sql`
    insert into tenants (tenant_id, name, slug, parent_tenant_id)
    values (${tenantId}, ${name}, ${slugOf(name)}, ${parent?.tenantId ?? null})`.execute(db)
  await sql`
    insert into entra_tenants (entra_tenant_id, display_name, last_synced_at) values (${entraTenantId}, ${name}, now())`.execute(
    db,
  )
  await sql`insert into tenant_links (tenant_id, entra_tenant_id) values (${tenantId}, ${entraTenantId})`.execute(
    db,
  )
  return { tenantId, entraTenantId, name }
}

/** Persons by their names; answers their person and object ids. */
export async function personsOf(
  { db }: Pick<World, 'db'>,
  { tenantId, entraTenantId, name }: WorldTenant,
  names: readonly string[],
): Promise<{ personId: string; objectId: string; upn: string }[]> {
  const rows = names.map((one) => ({
    person_id: randomUUID(),
    object_id: randomUUID(),
    upn: `${one.toLowerCase()}@${slugOf(name)}.example`,
    display_name: one,
  }))
  await sql`
    insert into persons (person_id, entra_tenant_id, object_id, tenant_id, user_principal_name, display_name, account_enabled, user_type)
    select person_id, ${entraTenantId}, object_id, ${tenantId}, upn, display_name, true, 'Member'
    from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as x (person_id uuid, object_id uuid, upn text, display_name text)`.execute(
    db,
  )
  return rows.map(({ person_id: personId, object_id: objectId, upn }) => ({ personId, objectId, upn }))
}

/** A group with members by object id. */
export async function groupOf(
  { db }: Pick<World, 'db'>,
  { entraTenantId }: WorldTenant,
  name: string,
  members: readonly string[] = [],
  type: 'user' | 'group' | 'device' = 'user',
): Promise<string> {
  const groupId = randomUUID()
  await sql`
    insert into groups (entra_tenant_id, object_id, display_name, kind) values (${entraTenantId}, ${groupId}, ${name}, 'security')`.execute(
    db,
  )
  await sql`
    insert into group_members (entra_tenant_id, group_id, member_id, member_type)
    select ${entraTenantId}, ${groupId}, id, ${type} from unnest(${[...members]}::uuid[]) as id`.execute(db)
  return groupId
}

/** Computers by name, each with its primary user. */
export async function computersOf(
  { db }: Pick<World, 'db'>,
  { tenantId }: WorldTenant,
  computers: readonly { name: string; user?: string }[],
): Promise<string[]> {
  const rows = computers.map(({ name, user = null }) => ({ computer_id: randomUUID(), name, upn: user }))
  await sql`
    insert into computers (computer_id, tenant_id, name, primary_user_principal_name)
    select computer_id, ${tenantId}, name, upn
    from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as x (computer_id uuid, name text, upn text)`.execute(
    db,
  )
  return rows.map(({ computer_id: computerId }) => computerId)
}

function slugOf(name: string): string {
  return name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '')
}
