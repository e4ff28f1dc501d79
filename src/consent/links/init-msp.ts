import { sql, type Kysely, type Transaction } from 'kysely'
import { lockLinks } from '../../db/link-lock.ts'
import type { Database } from '../../db/tables.ts'
import { EntraSyncError } from '../../errors.ts'
import { uniqueSlug } from './slug.ts'

export interface InitRequest {
  /** Name of the MSP, the first ImmyBot tenant. */
  name: string
  /** Entra tenant id or one of its verified domains. */
  entraTenant: string
  actor: string
}

export interface InitResult {
  tenantId: string
  entraTenantId: string
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
 * refused (`msp_exists`), and so is an Entra tenant that another tenant is linked to (`entra_tenant_linked`).
 */
export async function initMsp(
  db: Kysely<Database>,
  tenantIdOf: (domainOrId: string) => Promise<string>,
  { name, entraTenant, actor }: InitRequest,
): Promise<InitResult> {
  if (name.trim() === '') {
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
    if (msp?.entraTenantId === entraTenantId) return { tenantId: msp.tenantId, entraTenantId, created: false }
    await refuseLinked(trx, entraTenantId)
    // Called by the MSP's name until Graph may tell its own: an admin who consents reads it.
    await sql`
      insert into entra_sync.entra_tenants as e (entra_tenant_id, display_name) values (${entraTenantId}, ${name.trim()})
      on conflict (entra_tenant_id) do update set display_name = excluded.display_name
        where e.display_name is null`.execute(trx)
    const tenantId = msp?.tenantId ?? (await insertMsp(trx, name.trim()))
    await sql`
      insert into entra_sync.tenant_links (tenant_id, entra_tenant_id) values (${tenantId}, ${entraTenantId})`.execute(
      trx,
    )
    await sql`select entra_sync.assign_tenants(${entraTenantId}::uuid)`.execute(trx)
    await sql`
      insert into entra_sync.audit_log (actor, action, entra_tenant_id, tenant_id, detail)
      values (${actor}, 'msp_created', ${entraTenantId}, ${tenantId},
        ${JSON.stringify({ name: name.trim(), entraTenant })}::jsonb)`.execute(trx)
    return { tenantId, entraTenantId, created: true }
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
