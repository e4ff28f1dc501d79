import { createServer } from 'node:http'
import { once } from 'node:events'
import { z } from 'zod'
import type { Cloud } from './cloud.ts'
import {
  appsBody,
  knobsBody,
  lifetimeBody,
  revokeBody,
  mutateBody,
  grantBody,
  gdapBody,
  throttleBody,
  secretsBody,
  registrationBody,
  signInsBody,
  partnerUserBody,
} from './control-bodies.ts'
import {
  addOwnApp,
  changeGdap,
  changeGrant,
  changePartnerUser,
  changeRegistration,
  changeSecrets,
  known,
  NotThere,
  present,
} from './control-changes.ts'
import { faultSchema } from './faults.ts'
import { mutate } from './mutate.ts'
import { between, seededRandom } from './random.ts'
import type { Random } from './random.ts'
import { listen, readRequest } from './server.ts'
import type { SimRequest, TenantHandle } from './types.ts'

/** Serves the simulation's own controls as plain http on loopback. */
export async function serveControl(
  port: number,
  cloud: Cloud,
): Promise<{ port: number; close(): Promise<void> }> {
  const server = createServer((incoming, outgoing) => {
    const send = (status: number, body: unknown): void => {
      outgoing.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    }
    readRequest(incoming)
      .then((request) => {
        if (request === null) send(413, { error: 'The body is too large.' })
        else send(200, control(request, cloud))
      })
      .catch((error: unknown) => {
        if (error instanceof z.ZodError) send(400, { error: z.prettifyError(error) })
        else if (error instanceof NotThere) send(404, { error: error.message })
        else send(500, { error: error instanceof Error ? (error.stack ?? error.message) : String(error) })
      })
  })
  return {
    port: await listen(server, port),
    async close() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

function control(request: SimRequest, cloud: Cloud): unknown {
  const json = (): unknown => (request.body === '' ? {} : parseJson(request.body))
  const [name, argument] = request.path.split('/').filter(Boolean)
  switch (`${request.method} /${name ?? ''}`) {
    case 'GET /':
      return { calls }
    case 'GET /tenants':
      return cloud.tenants.map(({ id, displayName, defaultDomain, domains, userCount, app, apps, gdap }) => {
        const each = { id, displayName, defaultDomain, domains, users: userCount, gdap }
        return { ...each, app, apps: Object.fromEntries(apps) }
      })
    case 'GET /truth':
      return known(cloud, argument ?? '').directory.truth()
    case 'POST /mutate': {
      const { tenantId, count, seed } = mutateBody.parse(json())
      const tenant = known(cloud, tenantId)
      return { tenantId: tenant.id, changes: mutate(tenant, count, nextRandom(tenant, seed)) }
    }
    case 'POST /faults':
      return addFault(json(), cloud)
    case 'DELETE /faults':
      if (argument === undefined) cloud.faults.clear()
      else cloud.faults.remove(Number(argument))
      return { faults: argument === undefined ? 'all cleared' : `cleared ${argument}` }
    case 'GET /requests':
      return {
        total: cloud.requests.total,
        units: cloud.requests.units,
        statuses: cloud.requests.statuses(),
        kinds: cloud.requests.counts(),
        tenants: Object.fromEntries(
          cloud.requests
            .tenantIds()
            .map((id) => [id ?? 'none', id === null ? {} : cloud.requests.counts(id)]),
        ),
        ...(request.query.has('recent') && { recent: cloud.requests.recent() }),
      }
    case 'DELETE /requests':
      cloud.requests.reset()
      return { requests: 'forgotten' }
    case 'POST /grant':
      return changeGrant(grantBody.parse(json()), cloud)
    case 'POST /gdap':
      return changeGdap(gdapBody.parse(json()), cloud)
    case 'POST /throttle': {
      const changes = Object.entries(throttleBody.parse(json())).filter(([, value]) => value !== undefined)
      Object.assign(cloud.throttle.settings, Object.fromEntries(changes))
      cloud.throttle.reset()
      return cloud.throttle.settings
    }
    case 'POST /apps':
      return addOwnApp(appsBody.parse(json()), cloud)
    case 'POST /secrets':
      return changeSecrets(secretsBody.parse(json()), cloud)
    case 'POST /registration':
      return changeRegistration(registrationBody.parse(json()), cloud)
    case 'POST /sign-ins': {
      const settings = present(signInsBody.parse(json()))
      if (settings.answersAsTenant) known(cloud, settings.answersAsTenant)
      return Object.assign(cloud.signIns.settings, settings)
    }
    case 'POST /partner-user':
      return changePartnerUser(partnerUserBody.parse(json()), cloud)
    default:
      throw new NotThere(`There is no ${request.method} ${request.path}; GET / lists the calls.`)
  }
}

const calls = [
  'GET /tenants',
  'GET /truth/:tenantId',
  'POST /mutate { tenantId, count?, seed? }',
  'POST /faults { tenantId?, path?, probability?, times?, after?, effect } | { tenantId?, knobs, times? } | { tokenLifetimeSeconds } | { revokeTokens }',
  'DELETE /faults[/:id]',
  'GET /requests[?recent]',
  'DELETE /requests',
  'POST /grant { tenantId, clientId?, state?, roles?, delegated? }',
  'POST /gdap { tenantId, partnerTenantId?, relationshipId?, status?, endsAt?, autoExtendDuration?, roles?, displayName?, assignments?, add?, remove?, listed? }',
  'POST /throttle { enabled?, units?, windowMs? }',
  'POST /apps { ownerTenantId?, displayName?, singleTenant?, redirectUris?, requiredRoles?, requiredScopes?, allowPublicClient?, grantedIn? }',
  'POST /secrets { clientId?, valid?, expired?, endsAt?, ends? }',
  'POST /registration { clientId?, displayName?, singleTenant?, redirectUris?, requiredRoles?, requiredScopes?, allowPublicClient? }',
  'POST /sign-ins { mayConsent?, grantOnly?, answersAsTenant?, checksRedirectLate?, rolesDelayMs?, deviceIntervalSeconds?, deviceLifetimeSeconds?, mfa?, deleteTakesPrincipal?, consentExistsStatus?, consentsPerSecond? }',
  'POST /partner-user { user, refuse?, inactiveDays?, groups? }',
]

/** Which of the four bodies it is, its one telling key says: a union's message would name none of them. */
function addFault(body: unknown, cloud: Cloud): unknown {
  const has = (key: string): boolean => body !== null && typeof body === 'object' && key in body
  if (has('knobs')) {
    const { tenantId, knobs, times } = knobsBody.parse(body)
    if (tenantId !== undefined) known(cloud, tenantId)
    cloud.faults.knobs(tenantId ?? null, knobs, times)
    return { knobs }
  }
  if (has('tokenLifetimeSeconds')) {
    const { tokenLifetimeSeconds } = lifetimeBody.parse(body)
    cloud.faults.tokenLifetimeSeconds = tokenLifetimeSeconds
    return { tokenLifetimeSeconds }
  }
  if (has('revokeTokens')) {
    const { revokeTokens } = revokeBody.parse(body)
    cloud.issuer.revoke(revokeTokens === 'all' ? null : known(cloud, revokeTokens).id)
    return { revokeTokens }
  }
  return { id: cloud.faults.add(faultSchema.parse(body)) }
}

const mutationsOf = new WeakMap<TenantHandle, number>()

/** One seed given twice must not hire the same people twice: the count of calls is stirred in. */
function nextRandom(tenant: TenantHandle, seed: number | undefined): Random {
  const calls = mutationsOf.get(tenant) ?? 0
  mutationsOf.set(tenant, calls + 1)
  return seededRandom((seed ?? between(Math.random, 1, 2 ** 31)) + calls * 1_000_003)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new z.ZodError([
      { code: 'custom', path: [], message: `The body is no JSON: ${String(error)}`, input: text },
    ])
  }
}
