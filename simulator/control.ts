import { createServer } from 'node:http'
import { once } from 'node:events'
import { z } from 'zod'
import type { Cloud } from './cloud.ts'
import {
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
import { faultSchema } from './faults.ts'
import { mutate } from './mutate.ts'
import { between, seededRandom } from './random.ts'
import type { Random } from './random.ts'
import { listen, readRequest } from './server.ts'
import { findPerson, groupsAbove } from './sign-ins.ts'
import { grantScopes, partnerGroups, relationship } from './tenants.ts'
import { graphAppId } from './tokens.ts'
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

class NotThere extends Error {}

function control(request: SimRequest, cloud: Cloud): unknown {
  const json = (): unknown => (request.body === '' ? {} : parseJson(request.body))
  const [name, argument] = request.path.split('/').filter(Boolean)
  switch (`${request.method} /${name ?? ''}`) {
    case 'GET /':
      return { calls }
    case 'GET /tenants':
      return cloud.tenants.map(({ id, displayName, defaultDomain, domains, userCount, app, gdap }) => {
        return { id, displayName, defaultDomain, domains, users: userCount, app, gdap }
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
    case 'POST /grant': {
      const { tenantId, state, roles, delegated } = grantBody.parse(json())
      const { app } = known(cloud, tenantId)
      if (state !== undefined) app.state = state
      if (roles !== undefined) Object.assign(app, { roles, late: null })
      if (delegated !== undefined) {
        app.delegated = []
        if (delegated.length > 0) grantScopes(known(cloud, tenantId), graphAppId, delegated)
      }
      return app
    }
    case 'POST /gdap':
      return changeGdap(gdapBody.parse(json()), cloud)
    case 'POST /throttle': {
      const changes = Object.entries(throttleBody.parse(json())).filter(([, value]) => value !== undefined)
      Object.assign(cloud.throttle.settings, Object.fromEntries(changes))
      cloud.throttle.reset()
      return cloud.throttle.settings
    }
    case 'POST /secrets': {
      const { valid, expired, endsAt } = secretsBody.parse(json())
      if (valid !== undefined) cloud.registration.secrets = valid
      if (expired !== undefined) cloud.registration.expiredSecrets = expired
      if (endsAt !== undefined) cloud.registration.secretEndsAt = endsAt
      return { valid: cloud.registration.secrets.length, expired: cloud.registration.expiredSecrets.length }
    }
    case 'POST /registration':
      Object.assign(cloud.registration, present(registrationBody.parse(json())))
      return { redirectUris: cloud.registration.redirectUris }
    case 'POST /sign-ins':
      Object.assign(cloud.signIns.settings, present(signInsBody.parse(json())))
      return cloud.signIns.settings
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
  'POST /grant { tenantId, state?, roles?, delegated? }',
  'POST /gdap { tenantId, status?, endsAt?, autoExtendDuration?, roles?, displayName?, add? }',
  'POST /throttle { enabled?, units?, windowMs? }',
  'POST /secrets { valid?, expired?, endsAt? }',
  'POST /registration { redirectUris?, requiredRoles?, requiredScopes?, allowPublicClient? }',
  'POST /sign-ins { mayConsent?, rolesDelayMs?, deviceIntervalSeconds?, deviceLifetimeSeconds?, mfa?, deleteTakesPrincipal?, consentsPerSecond? }',
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

function changePartnerUser(body: z.output<typeof partnerUserBody>, cloud: Cloud): unknown {
  const partner = cloud.tenant(cloud.partnerTenantId)
  const { signIns } = cloud
  const user = findPerson(partner, body.user)
  if (user === null) throw new NotThere(`The partner has no user ${body.user}.`)
  if (body.refuse === null) signIns.refused.delete(user.id)
  else if (body.refuse !== undefined) signIns.refused.set(user.id, body.refuse)
  for (const token of signIns.refreshTokens.values()) {
    if (body.inactiveDays !== undefined && token.userId === user.id) {
      token.lastUsedAt = Date.now() - body.inactiveDays * 86_400_000
    }
  }
  for (const [name, id] of Object.entries(partnerGroups)) {
    if (body.groups === undefined) continue
    if (body.groups.some((each) => each === name)) partner.directory.addMember(id, user.id)
    else partner.directory.removeMember(id, user.id)
  }
  return { user: user.id, groups: [...groupsAbove(partner, user.id)] }
}

function present(changes: object): object {
  return Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined))
}

function changeGdap(body: z.output<typeof gdapBody>, cloud: Cloud): unknown {
  const tenant = known(cloud, body.tenantId)
  if (tenant.id === cloud.partnerTenantId) throw new NotThere('The partner has no relationship with itself.')
  if (body.add || tenant.gdap.length === 0) {
    tenant.gdap.push(relationship(tenant.id, `${tenant.displayName} ${tenant.gdap.length + 1}`, Math.random))
  }
  const changed = body.add ? tenant.gdap.at(-1) : tenant.gdap[0]
  if (changed === undefined) throw new NotThere(`${tenant.displayName} has no relationship.`)
  const { status, endsAt, autoExtendDuration, roles, displayName } = body
  if (status !== undefined) changed.status = status
  if (endsAt !== undefined) changed.endsAt = endsAt
  if (autoExtendDuration !== undefined) changed.autoExtendDuration = autoExtendDuration
  if (roles !== undefined) changed.roles = roles
  if (displayName !== undefined) changed.displayName = displayName
  return tenant.gdap
}

const mutationsOf = new WeakMap<TenantHandle, number>()

/** One seed given twice must not hire the same people twice: the count of calls is stirred in. */
function nextRandom(tenant: TenantHandle, seed: number | undefined): Random {
  const calls = mutationsOf.get(tenant) ?? 0
  mutationsOf.set(tenant, calls + 1)
  return seededRandom((seed ?? between(Math.random, 1, 2 ** 31)) + calls * 1_000_003)
}

function known(cloud: Cloud, idOrDomain: string): TenantHandle {
  const tenant = cloud.findTenant(idOrDomain)
  if (tenant === null) throw new NotThere(`The simulated cloud has no tenant ${idOrDomain}.`)
  return tenant
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
