import { sql } from 'kysely'
import { onTestFinished } from 'vitest'
import type { TenantApp } from '../../../simulator/types.ts'
import type { ProofContext, ProofOptions } from '../../../src/consent/grants/prove.ts'
import { proveConsent } from '../../../src/consent/grants/prove.ts'
import { log } from '../cloud.ts'
import { openOwnApps, type OwnApps } from '../own-apps.ts'

/** A partner and a customer in the cloud and in the database, nothing known of their consent, and what proves it. */
export async function openConsentCloud() {
  const apps: OwnApps = await openOwnApps()
  onTestFinished(() => apps.close())
  const { cloud, customer } = apps
  const { db } = apps.database
  const graph = await apps.process()
  const context: ProofContext = { db, graph, log }
  return {
    ...apps,
    db,
    graph,
    context,
    /** The Default app in the customer's tenant, as Microsoft has it. */
    there: (): TenantApp => cloud.tenant(customer).app,
    /** Nobody has ever consented to the Default app in the customer's tenant. */
    neverConsented(): void {
      Object.assign(cloud.tenant(customer).app, { state: 'no-service-principal', roles: [], late: null })
    },
    prove: (options: ProofOptions = {}) => proveConsent(context, customer, options),
    async row(clientId = cloud.clientId) {
      const { rows } = await sql<Record<string, unknown>>`
        select * from consents where entra_tenant_id = ${customer} and app_id = ${clientId}`.execute(db)
      return rows[0]
    },
    async problems(): Promise<string[]> {
      const { rows } = await sql<{ code: string }>`
        select code from problems where entra_tenant_id = ${customer} and closed_at is null order by code`.execute(
        db,
      )
      return rows.map(({ code }) => code)
    },
    async status() {
      const { rows } = await sql<{ consent: string | null; state: string; scheduled: boolean }>`
        select consent, state, scheduled from tenant_status where entra_tenant_id = ${customer}`.execute(db)
      return rows[0]
    },
  }
}

export type ConsentCloud = Awaited<ReturnType<typeof openConsentCloud>>
