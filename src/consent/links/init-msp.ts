import { sql, type Kysely, type Transaction } from 'kysely'
import { lockLinks, lockPages } from '../../db/link-lock.ts'
import type { Database } from '../../db/tables.ts'
import { EntraSyncError } from '../../errors.ts'
import { settleNewDefault } from './new-default.ts'
import { uniqueSlug } from './slug.ts'

export interface InitRequest {
  /** Name of the MSP, the first ImmyBot tenant; null = not known, which does when it is there already. */
  name: string | null
  /** Entra tenant id or one of its verified domains. */
  entraTenant: string
  actor: string
}

export interface InitResult {
  tenantId: string
  entraTenantId: string
  /** As stored. */
  name: string
  /** False when all of it was there before. */
  created: boolean
}

interface MspRow {
  tenantId: string
  name: string
  entraTenantId: string | null
}

/**
 * Makes the MSP: the first ImmyBot tenant, linked to the Entra tenant that signed up. `tenantIdOf` proves that the
 * Entra tenant exists, by OIDC discovery. Doing it again with the same Entra tenant changes nothing; another one is
 * refused (`msp_exists`), and so are an Entra tenant that another tenant is linked to (`entra_tenant_linked`) and a first
 * MSP without a name (`name_empty`, `name_unknown`).
 */
export async function initMsp(
  db: Kysely<Database>,
  tenantIdOf: (domainOrId: string) => Promise<string>,
  { name, entraTenant, actor }: InitRequest,
): Promise<InitResult> {
  if (name?.trim() === '') {
    throw new EntraSyncError('input', 'The name of the MSP is empty.', {
      code: 'name_empty',
      remedy: 'Give --name a name.',
    })
  }
  const entraTenantId = (await tenantIdOf(entraTenant.trim())).toLowerCase()
  return db.transaction().execute(async (trx) => {
    await lockLinks(trx)
    const msp = await readMsp(trx)
    if (msp !== null && msp.entraTenantId !== null && msp.entraTenantId !== entraTenantId) {
      throw new EntraSyncError(
        'input',
        `The MSP is ${msp.name}, linked to Entra tenant ${msp.entraTenantId}.`,
        {
          code: 'msp_exists',
          remedy: 'One database serves one MSP: use another database for another MSP.',
          tenant: msp.entraTenantId,
        },
      )
    }
    if (msp?.entraTenantId === entraTenantId)
      return { tenantId: msp.tenantId, entraTenantId, name: msp.name, created: false }
    await refuseLinked(trx, entraTenantId)
    await sql`insert into entra_sync.entra_tenants (entra_tenant_id) values (${entraTenantId}) on conflict do nothing`.execute(
      trx,
    )
    await lockPages(trx, [entraTenantId])
    const tenantId = msp?.tenantId ?? (await insertMsp(trx, required(name)))
    // A name for people, the admin who consents among them, until Graph may tell its own.
    await sql`
      update entra_sync.entra_tenants set display_name = (select name from entra_sync.tenants where tenant_id = ${tenantId})
      where entra_tenant_id = ${entraTenantId} and display_name is null`.execute(trx)
    await sql`
      insert into entra_sync.tenant_links (tenant_id, entra_tenant_id) values (${tenantId}, ${entraTenantId})`.execute(
      trx,
    )
    await settleNewDefault(trx, entraTenantId)
    const stored = msp?.name ?? required(name)
    await sql`
      insert into entra_sync.audit_log (actor, action, entra_tenant_id, tenant_id, detail)
      values (${actor}, 'msp_created', ${entraTenantId}, ${tenantId},
        ${JSON.stringify({ name: stored, entraTenant })}::jsonb)`.execute(trx)
    return { tenantId, entraTenantId, name: stored, created: true }
  })
}

function required(name: string | null): string {
  if (name !== null) return name.trim()
  throw new EntraSyncError('input', 'The name of the MSP could not be read from Graph yet.', {
    code: 'name_unknown',
    remedy: 'Give it with --name, or name the Entra tenant by a domain.',
  })
}

async function readMsp(db: Transaction<Database>): Promise<MspRow | null> {
  const { rows } = await sql<MspRow>`
    select t.tenant_id as "tenantId", t.name, l.entra_tenant_id as "entraTenantId"
    from entra_sync.tenants t left join entra_sync.tenant_links l using (tenant_id)
    where t.is_msp`.execute(db)
  return rows[0] ?? null
}

async function refuseLinked(db: Transaction<Database>, entraTenantId: string): Promise<void> {
  const { rows } = await sql<{ name: string }>`
    select t.name from entra_sync.tenant_links l join entra_sync.tenants t using (tenant_id)
    where l.entra_tenant_id = ${entraTenantId} and l.domain is null`.execute(db)
  const [other] = rows
  if (other === undefined) return
  throw new EntraSyncError('input', `Entra tenant ${entraTenantId} is linked to the tenant ${other.name}.`, {
    code: 'entra_tenant_linked',
    remedy: 'An Entra tenant has one default link: remove that one first.',
    tenant: entraTenantId,
  })
}

async function insertMsp(db: Transaction<Database>, name: string): Promise<string> {
  const { rows: slugs } = await sql<{ slug: string }>`select slug from entra_sync.tenants`.execute(db)
  const slug = uniqueSlug(name, new Set(slugs.map((row) => row.slug)))
  const { rows } = await sql<{ id: string }>`
    insert into entra_sync.tenants (name, slug, is_msp) values (${name}, ${slug}, true)
    returning tenant_id as id`.execute(db)
  const [row] = rows
  if (row === undefined) throw new Error('An insert with returning gave no row')
  return row.id
}
