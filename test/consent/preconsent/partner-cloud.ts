import { sql } from 'kysely'
import { onTestFinished } from 'vitest'
import { startCloud, type CloudOptions } from '../../../simulator/cloud.ts'
import { loadConfig } from '../../../src/config.ts'
import type { PreconsentContext } from '../../../src/consent/preconsent/context.ts'
import { storeSignIn } from '../../../src/consent/preconsent/sign-ins.ts'
import { openGraph } from '../../../src/graph-of-config.ts'
import { openPreconsent } from '../../../src/preconsent-of-config.ts'
import { testCa } from '../../harness/ca.ts'
import { testDatabase } from '../../harness/database.ts'
import { technician, signedIn } from '../../simulator/sign-in.ts'
import { log, quickGraph } from '../cloud.ts'
import { encryptionKey } from '../own-apps.ts'

export const quick = { graph: quickGraph, preconsent: { arrivalMs: 600, lookAgainMs: 20 } }

/** A partner with customers that have never consented, in the cloud and in the database, all gone when the test ends. */
export async function openPartnerCloud(options: CloudOptions = { sizes: [12, 5, 5] }) {
  const cloud = await startCloud({ ...options, ca: testCa() })
  onTestFinished(() => cloud.close())
  const database = await testDatabase()
  onTestFinished(() => database.drop())
  const { db } = database
  const [partner = '', ...customers] = cloud.tenants.map(({ id }) => id)
  for (const tenant of cloud.tenants) {
    const of = tenant.id === partner ? null : partner
    await sql`insert into entra_tenants (entra_tenant_id, display_name, partner_entra_tenant_id)
      values (${tenant.id}, ${tenant.displayName}, ${of})`.execute(db)
    for (const { id, status } of tenant.gdap)
      await sql`insert into gdap_relationships (relationship_id, partner_entra_tenant_id, entra_tenant_id, status)
        values (${id}, ${partner}, ${tenant.id}, ${status})`.execute(db)
    if (of !== null)
      Object.assign(tenant.app, { state: 'no-service-principal', roles: [], late: null, delegated: [] })
  }
  const env: Record<string, string> = {
    DATABASE_URL: database.url,
    MICROSOFT_CLOUD: 'custom',
    LOGIN_URL: cloud.origin,
    GRAPH_URL: cloud.origin,
    PARTNER_CENTER_URL: cloud.origin,
    DEFAULT_APP_CLIENT_ID: cloud.clientId,
    DEFAULT_APP_CLIENT_SECRET: cloud.clientSecret,
    ENCRYPTION_KEY: encryptionKey(),
    PUBLIC_URL: 'http://localhost:8080',
  }
  const config = loadConfig(env)

  /** As a process of its own would have it. */
  async function process(): Promise<PreconsentContext> {
    const graph = await openGraph(config, db, log, quickGraph)
    onTestFinished(() => graph.close())
    return openPreconsent(config, db, graph, log, quick)
  }

  const context = await process()
  return {
    cloud,
    db,
    database,
    env,
    config,
    partner,
    customers,
    customer: customers[0] ?? '',
    user: technician(cloud),
    context,
    process,
    there: (id = customers[0] ?? '') => cloud.tenant(id).app,
    /** The technician has signed in, by whatever way. */
    async signedIn(clientId = cloud.clientId): Promise<string> {
      const { refresh_token } = await signedIn(cloud)
      return storeSignIn(context, {
        partnerEntraTenantId: partner,
        clientId,
        userObjectId: technician(cloud),
        userName: 'tech@partner.example',
        refreshToken: refresh_token,
        actor: 'test',
        how: 'browser',
      })
    },
    async problems(id: string): Promise<string[]> {
      const { rows } = await sql<{ code: string }>`
        select code from problems where entra_tenant_id = ${id} and closed_at is null order by code`.execute(
        db,
      )
      return rows.map(({ code }) => code)
    },
    async row(id = customers[0] ?? ''): Promise<Record<string, unknown> | undefined> {
      const { rows } = await sql<Record<string, unknown>>`
        select * from preconsents where entra_tenant_id = ${id}`.execute(db)
      return rows[0]
    },
    async consent(id = customers[0] ?? ''): Promise<Record<string, unknown> | undefined> {
      const { rows } = await sql<Record<string, unknown>>`
        select * from consents where entra_tenant_id = ${id}`.execute(db)
      return rows[0]
    },
  }
}

export type PartnerCloud = Awaited<ReturnType<typeof openPartnerCloud>>
