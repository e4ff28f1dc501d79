import { sql } from 'kysely'
import { EntraSyncError } from '../../errors.ts'
import { catalogueError, type PreconsentContext } from './context.ts'

/** A partner and the app that its customers are to consent to. */
export interface PartnerApp {
  partnerEntraTenantId: string
  name: string
  clientId: string
}

/** @throws kind `input`, `not_a_partner`; `default_app_missing` where no app is wanted */
export async function readPartnerApp(
  { db, graph }: Pick<PreconsentContext, 'db' | 'graph'>,
  partnerEntraTenantId: string,
): Promise<PartnerApp> {
  const { rows } = await sql<{ name: string; kind: string }>`
    select coalesce(display_name, default_domain, entra_tenant_id::text) as name, kind
    from entra_sync.tenant_status where entra_tenant_id = ${partnerEntraTenantId}`.execute(db)
  const [row] = rows
  if (row?.kind !== 'partner') {
    throw new EntraSyncError('input', `${row?.name ?? partnerEntraTenantId} is no partner.`, {
      code: 'not_a_partner',
      remedy:
        'Sign-in is for a partner, an Entra tenant with GDAP customers: entra-sync customers discover reads them.',
      tenant: partnerEntraTenantId,
    })
  }
  const clientId = await graph.wantedAppFor(partnerEntraTenantId)
  if (clientId === null) throw catalogueError('default_app_missing', { tenant: partnerEntraTenantId })
  return { partnerEntraTenantId, name: row.name, clientId }
}
