import { randomBytes, X509Certificate } from 'node:crypto'
import { sql } from 'kysely'
import { createAppCertificate } from '../../simulator/certificates.ts'
import { startCloud, type Cloud } from '../../simulator/cloud.ts'
import {
  addSecret,
  registerOwnApp,
  type AppRegistration,
  type OwnAppOptions,
} from '../../simulator/registrations.ts'
import { loadConfig, type Config } from '../../src/config.ts'
import { openGraph, type ConfiguredGraph } from '../../src/graph-of-config.ts'
import { testCa } from '../harness/ca.ts'
import { testDatabase, type TestDatabase } from '../harness/database.ts'
import { log, quickGraph } from './cloud.ts'

export const encryptionKey = () => randomBytes(32).toString('base64')

export interface OwnApps {
  cloud: Cloud
  database: TestDatabase
  env: Record<string, string>
  config: Config
  partner: string
  customer: string
  /** Registers an app of the partner's own with Microsoft; consented in both tenants already, if nothing else is said. */
  register(options?: OwnAppOptions): {
    registration: AppRegistration
    clientId: string
    secret(): string
    certificate(): Promise<string>
    retire(secret: string): void
  }
  /** As a process of its own would have it. */
  process(): Promise<ConfiguredGraph>
  /** Client id of the app whose token is used for the Entra tenant now. */
  appInUse(graph: ConfiguredGraph, entraTenantId: string): Promise<string | undefined>
  close(): Promise<void>
}

/** A partner with one customer, in the simulated cloud and in the database, both read with the Default app so far. */
export async function openOwnApps(): Promise<OwnApps> {
  const cloud = await startCloud({ sizes: [6, 4], ca: testCa() })
  const database = await testDatabase()
  const [partner = '', customer = ''] = cloud.tenants.map(({ id }) => id)
  await sql`insert into entra_tenants (entra_tenant_id, display_name, partner_entra_tenant_id)
    values (${partner}, 'The Partner', null), (${customer}, 'The Customer', ${partner})`.execute(database.db)
  await sql`insert into gdap_relationships (relationship_id, partner_entra_tenant_id, entra_tenant_id, status)
    values ('r1', ${partner}, ${customer}, 'active')`.execute(database.db)
  const env = {
    DATABASE_URL: database.url,
    MICROSOFT_CLOUD: 'custom',
    LOGIN_URL: cloud.origin,
    GRAPH_URL: cloud.origin,
    PARTNER_CENTER_URL: cloud.origin,
    DEFAULT_APP_CLIENT_ID: cloud.clientId,
    DEFAULT_APP_CLIENT_SECRET: cloud.clientSecret,
    ENCRYPTION_KEY: encryptionKey(),
    PUBLIC_URL: 'https://sync.example.com',
  }
  const config = loadConfig(env)
  const graphs: ConfiguredGraph[] = []
  return {
    cloud,
    database,
    env,
    config,
    partner,
    customer,
    register(options = {}) {
      const registration = registerOwnApp(cloud, {
        requiredRoles: [],
        grantedIn: 'everywhere',
        ...options,
      })
      return {
        registration,
        clientId: registration.clientId,
        secret() {
          return addSecret(registration)
        },
        async certificate() {
          const { privateKeyPem, certificatePem } = await createAppCertificate('own app')
          registration.certificates.push(new X509Certificate(certificatePem))
          return `${privateKeyPem}\n${certificatePem}`
        },
        retire(secret) {
          registration.secrets = registration.secrets.filter((each) => each !== secret)
          registration.expiredSecrets.push(secret)
        },
      }
    },
    async process() {
      const graph = await openGraph(config, database.db, log, quickGraph)
      graphs.push(graph)
      return graph
    },
    async appInUse(graph, entraTenantId) {
      return (await graph.forTenant(entraTenantId).claims())?.appId
    },
    async close() {
      for (const graph of graphs) graph.close()
      await cloud.close()
      await database.drop()
    },
  }
}
