import type { GraphContext, SimRequest, SimResponse } from '../types.ts'
import { failure, unknownSegment } from './answers.ts'
import { answerApplications } from './applications.ts'
import { answerBatch } from './batch.ts'
import { answerByIds, answerDeletedItems } from './directory-objects.ts'
import { answerDevices } from './devices.ts'
import { answerGroups } from './groups.ts'
import { answerGrants } from './grants.ts'
import { answerMe } from './me.ts'
import { answerServicePrincipals } from './service-principals.ts'
import { answerTeams } from './teams.ts'
import { answerOrganization, answerSkus } from './tenant-facts.ts'
import { answerUsers } from './users.ts'

const writes = ['POST', 'PATCH', 'DELETE']

type Answer = (request: SimRequest, context: GraphContext, rest: string[]) => SimResponse

const collections: Record<string, Answer> = {
  users: answerUsers,
  groups: answerGroups,
  devices: answerDevices,
  teams: answerTeams,
  organization: answerOrganization,
  subscribedskus: answerSkus,
  serviceprincipals: answerServicePrincipals,
  oauth2permissiongrants: answerGrants,
  applications: answerApplications,
  me: answerMe,
  contracts: (request, context) => context.contracts(request),
  tenantrelationships: (request, context) => context.tenantRelationships(request),
}

/** Answers one Graph v1.0 request whose token is good; `request.path` begins after `/v1.0`. */
export async function handleGraph(request: SimRequest, context: GraphContext): Promise<SimResponse> {
  const segments = splitPath(request.path)
  const [first = '', ...rest] = segments
  if (request.method === 'POST') {
    if (first === '$batch' && rest.length === 0) {
      return answerBatch(request, context, (part) => handleGraph(part, context))
    }
    if (first.toLowerCase() === 'directoryobjects' && rest.join('/') === 'getByIds') {
      return answerByIds(request, context)
    }
  }
  const writable = /^(oauth2PermissionGrants|servicePrincipals)$/i.test(first)
  if (request.method !== 'GET' && !(writable && rest.length <= 3 && writes.includes(request.method))) {
    return failure(405, 'Request_BadRequest', `The method ${request.method} is not allowed on this resource.`)
  }
  if (first === 'directory' && rest[0] === 'deletedItems') {
    return answerDeletedItems(request, context, rest.slice(1))
  }
  const answer = collections[first.toLowerCase()]
  return withBadValue(answer === undefined ? unknownSegment(first) : answer(request, context, rest), context)
}

/** Segments of a path; `users('x')` is `users/x`, an alternate key stays `appId=x`, and functions may be written with namespace and `()`. */
function splitPath(path: string): string[] {
  return path
    .split('/')
    .filter(Boolean)
    .flatMap((segment) => {
      const keyed = /^(\w+)\((appId=)?'([^']*)'\)$/i.exec(segment)
      if (keyed !== null) return [keyed[1] ?? '', `${keyed[2] ?? ''}${keyed[3]}`]
      const name = segment.replace(/\(\)$/, '')
      return [
        /^microsoft\.graph\.(delta|getByIds)$/i.test(name) ? name.slice('microsoft.graph.'.length) : name,
      ]
    })
}

/** `value` as an object instead of an array, where that knob is set. */
function withBadValue(response: SimResponse, { faults }: GraphContext): SimResponse {
  const { body } = response
  if (!faults.knobs.valueNotArray || body === null || typeof body !== 'object' || !('value' in body))
    return response
  faults.applied('valueNotArray')
  return { ...response, body: { ...body, value: { items: body.value } } }
}
