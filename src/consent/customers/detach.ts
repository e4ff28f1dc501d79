import { sql, type Kysely } from 'kysely'
import { readChosenApp, readWantedApp } from '../../db/app-registrations.ts'
import { audit } from '../../db/audit.ts'
import type { Database } from '../../db/tables.ts'
import { EntraSyncError } from '../../errors.ts'
import { refreshIn } from './gdap-problems.ts'

export interface DetachRequest {
  entraTenantId: string
  /** Client id of the configured Default app; null = none. */
  defaultClientId: string | null
  actor: string
}

/** What an Entra tenant is after it was detached, or would be. */
export interface Detached {
  entraTenantId: string
  name: string
  /** Whose customer it was. */
  partnerEntraTenantId: string
  partnerName: string
  /** Client id of the app that goes on reading it: the one that it has consented to. null = none is there. */
  appInUse: string | null
  /** Client id of the app that its own permission level says: differs until it consents to that one. */
  appWanted: string | null
  /** Whether it is synced from then on, and the state that says why. */
  scheduled: boolean
  state: string
}

/**
 * Makes a customer standalone: no partner, no GDAP relationship asked for. Link, persons and consent stay; so does the
 * app that it has consented to, the partner's own registration included. Throws kind `input`, code `entra_tenant_unknown`
 * or `not_a_customer`.
 */
export async function detachCustomer(db: Kysely<Database>, request: DetachRequest): Promise<Detached> {
  return db.transaction().execute((trx) => detachIn(trx, request))
}

/** What `detachCustomer` would answer; changes nothing. */
export async function previewDetach(
  db: Kysely<Database>,
  request: Omit<DetachRequest, 'actor'>,
): Promise<Detached> {
  const transaction = await db.startTransaction().execute()
  try {
    return await detachIn(transaction, { ...request, actor: 'preview' })
  } finally {
    await transaction.rollback().execute()
  }
}

async function detachIn(
  db: Kysely<Database>,
  { entraTenantId, defaultClientId, actor }: DetachRequest,
): Promise<Detached> {
  const { rows } = await sql<{ name: string; partner: string | null; partnerName: string | null }>`
    select coalesce(e.display_name, e.default_domain, e.entra_tenant_id::text) as name,
      e.partner_entra_tenant_id as partner,
      coalesce(p.display_name, p.default_domain, p.entra_tenant_id::text) as "partnerName"
    from entra_sync.entra_tenants e
    left join entra_sync.entra_tenants p on p.entra_tenant_id = e.partner_entra_tenant_id
    where e.entra_tenant_id = ${entraTenantId} for no key update of e`.execute(db)
  const [before] = rows
  if (before === undefined) {
    throw new EntraSyncError('input', `There is no Entra tenant ${entraTenantId}.`, {
      code: 'entra_tenant_unknown',
      remedy: '`entra-sync customers list` shows who is a customer.',
    })
  }
  const { name, partner, partnerName } = before
  if (partner === null || partnerName === null) {
    throw new EntraSyncError('input', `${name} is not a customer of any partner.`, {
      code: 'not_a_customer',
      remedy: 'Nothing to do; `entra-sync status` shows the kind of every Entra tenant.',
      tenant: entraTenantId,
    })
  }
  await sql`
    update entra_sync.entra_tenants set partner_entra_tenant_id = null where entra_tenant_id = ${entraTenantId}`.execute(
    db,
  )
  await audit(db, {
    actor,
    action: 'customer_detached',
    entraTenantId,
    detail: { name, partner },
  })
  await refreshIn(db, entraTenantId)
  const inUse = await readChosenApp(db, entraTenantId, defaultClientId)
  const wanted = await readWantedApp(db, entraTenantId, defaultClientId)
  const { rows: states } = await sql<{ state: string; scheduled: boolean }>`
    select state, scheduled from entra_sync.tenant_status where entra_tenant_id = ${entraTenantId}`.execute(
    db,
  )
  return {
    entraTenantId,
    name,
    partnerEntraTenantId: partner,
    partnerName,
    appInUse: inUse?.clientId ?? null,
    appWanted: wanted?.clientId ?? null,
    scheduled: states[0]?.scheduled ?? false,
    state: states[0]?.state ?? 'new',
  }
}
