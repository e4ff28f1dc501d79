import { randomBytes, X509Certificate } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  authorityFrom,
  createAppCertificate,
  createAuthority,
  createServerCertificate,
} from './certificates.ts'
import { serveControl } from './control.ts'
import { createFaults } from './faults.ts'
import type { Faults } from './faults.ts'
import { answerRequest } from './front.ts'
import { guid, seededRandom } from './random.ts'
import type { AppRegistration } from './registrations.ts'
import { addRelationship } from './relationships.ts'
import { createRequestLog } from './requests.ts'
import type { RequestLog } from './requests.ts'
import { serveTls } from './server.ts'
import { createSignIns } from './sign-ins.ts'
import type { SignIns } from './sign-ins.ts'
import { customerRoles, planTenants } from './tenants.ts'
import { createThrottle } from './throttle.ts'
import type { Throttle } from './throttle.ts'
import { createTokenIssuer } from './tokens.ts'
import type { TokenIssuer } from './tokens.ts'
import type { GdapRelationship, TenantHandle } from './types.ts'

export interface CloudOptions {
  /** The same seed gives the same tenants, people and ids. Default 1. */
  seed?: number
  /** GDAP customers beside the partner. Default 3. */
  customers?: number
  /** Users over all tenants, few large and many small ones. Default 40 a tenant. */
  users?: number
  /** Users of each tenant instead of `users`, the partner's first; customers beyond the list get 10. */
  sizes?: number[]
  /** Partners; the first has all customers, the others those that are shared with them. Default 1. */
  partners?: number
  /** Groups in every tenant instead of as many as its size asks for. */
  groupsPerTenant?: number
  /** PEM files of a CA that clients trust already; default: a new one. */
  ca?: { certFile: string; keyFile: string }
  /** Default 0: free ones. */
  port?: number
  controlPort?: number
  /** Time that every Graph answer takes at least. */
  latencyMs?: number
}

/** A running simulated Microsoft cloud. */
export interface Cloud {
  /** Login, Graph and Partner Center at once: `https://localhost:PORT`. */
  origin: string
  /** Loopback http, for tests and operators of the simulation; Microsoft has no such thing. */
  controlUrl: string
  caFile: string
  clientId: string
  clientSecret: string
  /** PEM: private key and certificate that are registered for the app. */
  certificateFile: string
  /** The first partner's. */
  partnerTenantId: string
  partners: readonly [TenantHandle, ...TenantHandle[]]
  /** The partner first, then its customers, then further partners. */
  tenants: readonly TenantHandle[]
  tenant(id: string): TenantHandle
  faults: Faults
  throttle: Throttle
  requests: RequestLog
  registration: AppRegistration
  /** Own app registrations beside the multi-tenant one; `registerOwnApp` adds to them. */
  ownRegistrations: AppRegistration[]
  signIns: SignIns
  issuer: TokenIssuer
  latencyMs: number
  /** By tenant id or domain, case-blind. */
  findTenant: (idOrDomain: string) => TenantHandle | null
  /** Gives a customer an active relationship with a partner, which its other partners do not see. */
  shareCustomer(partnerTenantId: string, customerTenantId: string): GdapRelationship
  close(): Promise<void>
}

/** Starts a simulated Microsoft cloud in this process. Everything it opened is closed by `close()`. */
export async function startCloud(options: CloudOptions = {}): Promise<Cloud> {
  const seed = options.seed ?? 1
  const random = seededRandom(seed)
  const clientId = guid(random)
  const clientSecret = `sim8Q~${randomBytes(24).toString('base64url')}`
  const directory = await mkdtemp(join(tmpdir(), 'entra-sync-cloud-'))
  const [authority, appCertificate, issuer] = await Promise.all([
    options.ca === undefined
      ? createAuthority()
      : authorityFrom({
          certificatePem: await readFile(options.ca.certFile, 'utf8'),
          privateKeyPem: await readFile(options.ca.keyFile, 'utf8'),
        }),
    createAppCertificate('entra-sync simulated app'),
    createTokenIssuer(),
  ])
  const certificateFile = join(directory, 'app.pem')
  await writeFile(certificateFile, appCertificate.privateKeyPem + appCertificate.certificatePem, {
    mode: 0o600,
  })
  const caFile = options.ca?.certFile ?? join(directory, 'ca.pem')
  if (options.ca === undefined) await writeFile(caFile, authority.certificatePem)

  const tenants = planTenants(options, seed, clientId)
  const names = new Map<string, TenantHandle>()
  for (const tenant of tenants) {
    for (const name of [tenant.id, ...tenant.domains]) names.set(name.toLowerCase(), tenant)
  }
  const [partner, ...partners] = tenants.filter(({ partnerGroups }) => partnerGroups !== null)
  if (partner === undefined) throw new Error('A cloud has at least the partner tenant')
  const findTenant = (idOrDomain: string): TenantHandle | null => names.get(idOrDomain.toLowerCase()) ?? null

  const cloud: Cloud = {
    origin: '',
    controlUrl: '',
    caFile,
    clientId,
    clientSecret,
    certificateFile,
    partnerTenantId: partner.id,
    partners: [partner, ...partners],
    tenants,
    tenant(id) {
      const tenant = findTenant(id)
      if (tenant === null) throw new Error(`The simulated cloud has no tenant ${id}`)
      return tenant
    },
    faults: createFaults(seed),
    throttle: createThrottle(),
    requests: createRequestLog(),
    registration: {
      clientId,
      displayName: 'ImmyBot',
      homeTenantId: partner.id,
      singleTenant: false,
      secrets: [clientSecret],
      expiredSecrets: [],
      secretEnds: new Map(),
      secretEndsAt: new Date(Date.now() + 180 * 86_400_000),
      certificates: [new X509Certificate(appCertificate.certificatePem)],
      redirectUris: null,
      requiredRoles: [...customerRoles],
      requiredScopes: [],
      allowPublicClient: true,
    },
    ownRegistrations: [],
    signIns: createSignIns(),
    issuer,
    latencyMs: options.latencyMs ?? 0,
    findTenant,
    shareCustomer: (partnerId, customerId) =>
      addRelationship(cloud.tenant(partnerId), cloud.tenant(customerId)),
    async close() {
      await Promise.all([https.close(), control.close()])
      await rm(directory, { recursive: true, force: true })
    },
  }
  const tls = await createServerCertificate(authority)
  const https = await serveTls(options.port ?? 0, tls, (request) => answerRequest(request, cloud))
  cloud.origin = `https://localhost:${https.port}`
  const control = await serveControl(options.controlPort ?? 0, cloud)
  cloud.controlUrl = `http://127.0.0.1:${control.port}`
  return cloud
}
