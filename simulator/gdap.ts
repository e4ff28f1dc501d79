import { createHash } from 'node:crypto'
import { customersOf, relationshipsOf } from './relationships.ts'
import type { GdapAssignment, GdapRelationship, SimRequest, SimResponse, TenantHandle } from './types.ts'

export interface GdapContext {
  origin: string
  /** Tenant of the token: only a partner sees anything, and nothing of other partners. */
  callerTenantId: string
  roles: string[]
  tenants: readonly TenantHandle[]
}

const largestPage = 300

/** Answers `/tenantRelationships/...`: a partner's customers, relationships and access assignments. */
export function handleGdap(request: SimRequest, context: GdapContext): SimResponse {
  if (request.method !== 'GET')
    return failure(405, 'MethodNotAllowed', 'The simulator only reads relationships.')
  const permitted = context.roles.some((role) => /^DelegatedAdminRelationship\.Read(Write)?\.All$/.test(role))
  if (!permitted) {
    return failure(403, 'Authorization_RequestDenied', 'Insufficient privileges to complete the operation.')
  }
  // A tenant that is no partner has no customers; Graph answers it an empty list.
  const { callerTenantId, tenants } = context
  const relationships = (): { relationship: GdapRelationship; tenant: TenantHandle }[] =>
    tenants.flatMap((tenant) =>
      relationshipsOf(callerTenantId, tenant).map((relationship) => ({ relationship, tenant })),
    )

  const [, collection, id, child, ...rest] = request.path.split('/').filter(Boolean)
  if (collection === 'delegatedAdminCustomers') {
    const customers = customersOf(callerTenantId, tenants).map(customerBody)
    if (id === undefined) return page(request, context, customers)
    return one(customers.find((customer) => customer.id === id.toLowerCase()))
  }
  if (collection === 'delegatedAdminRelationships') {
    if (id === undefined) {
      const filter = parseFilter(request.query.get('$filter'))
      if (filter === null) return failure(400, 'Request_UnsupportedQuery', 'The $filter is not supported.')
      const wanted = relationships().filter(({ relationship }) => filter(relationship))
      return page(
        request,
        context,
        wanted.map(({ relationship, tenant }) => relationshipBody(relationship, tenant)),
      )
    }
    const found = relationships().find(({ relationship }) => relationship.id === id)
    if (found === undefined) return one(undefined)
    if (child === undefined) return one(relationshipBody(found.relationship, found.tenant))
    if (child === 'accessAssignments' && rest.length === 0) {
      return page(request, context, found.relationship.assignments.map(assignmentBody))
    }
  }
  return failure(404, 'Request_ResourceNotFound', `Resource not found for the segment '${collection ?? ''}'.`)
}

function one(body: object | undefined): SimResponse {
  return body === undefined
    ? failure(
        404,
        'Request_ResourceNotFound',
        'Resource does not exist or one of its queried references is not present.',
      )
    : { status: 200, headers: {}, body }
}

function failure(status: number, code: string, message: string): SimResponse {
  return { status, headers: {}, body: { error: { code, message } } }
}

/** One page of at most `largest`, whatever $top asks for. */
export function page(
  request: SimRequest,
  context: GdapContext,
  all: object[],
  largest = largestPage,
): SimResponse {
  const top = Number(request.query.get('$top') ?? largest)
  if (!Number.isInteger(top) || top < 1) return failure(400, 'BadRequest', 'Invalid page size specified.')
  const from = readSkipToken(request.query.get('$skiptoken') ?? request.query.get('$skipToken'))
  if (from === null)
    return failure(400, 'Directory_ExpiredPageToken', 'The specified page token value has expired.')
  const size = Math.min(top, largest)
  const next = from + size
  const query = new URLSearchParams(request.query)
  query.delete('$skipToken')
  query.set('$skiptoken', Buffer.from(`gdap:${next}`).toString('base64url'))
  return {
    status: 200,
    headers: {},
    body: {
      '@odata.context': `${context.origin}/v1.0/$metadata#${request.path.slice(1)}`,
      ...(request.query.get('$count') === 'true' && from === 0 && { '@odata.count': all.length }),
      ...(next < all.length && {
        '@odata.nextLink': `${context.origin}/v1.0${request.path}?${query.toString().replaceAll('%24', '$')}`,
      }),
      value: all.slice(from, next),
    },
  }
}

function readSkipToken(token: string | null): number | null {
  if (token === null) return 0
  const at = /^gdap:(\d+)$/.exec(Buffer.from(token, 'base64url').toString())?.[1]
  return at === undefined ? null : Number(at)
}

type Filter = (relationship: GdapRelationship) => boolean

/** `status eq 'x'` and `customer/tenantId eq 'y'`, joined by `and`; null for anything else. */
function parseFilter(text: string | null): Filter | null {
  const tests: Filter[] = []
  for (const part of text === null ? [] : text.split(/\s+and\s+/i)) {
    const match = /^\(?\s*(status|customer\/tenantId)\s+(eq|ne)\s+'([^']*)'\s*\)?$/i.exec(part.trim())
    if (match === null) return null
    const [, field = '', operator, wanted = ''] = match
    const read: (relationship: GdapRelationship) => string =
      field.toLowerCase() === 'status' ? ({ status }) => status : ({ customerTenantId }) => customerTenantId
    tests.push(
      (each) => (read(each).toLowerCase() === wanted.toLowerCase()) === (operator?.toLowerCase() === 'eq'),
    )
  }
  return (relationship) => tests.every((test) => test(relationship))
}

function customerBody(tenant: TenantHandle): {
  id: string
  tenantId: string
  displayName: string
  '@odata.etag': string
} {
  return {
    '@odata.etag': etag(tenant.displayName),
    id: tenant.id,
    tenantId: tenant.id,
    displayName: tenant.displayName,
  }
}

function relationshipBody(relationship: GdapRelationship, tenant: TenantHandle): object {
  const known = !['created', 'approvalPending'].includes(relationship.status)
  return {
    '@odata.type': '#microsoft.graph.delegatedAdminRelationship',
    '@odata.etag': etag(JSON.stringify(relationship)),
    id: relationship.id,
    displayName: relationship.displayName,
    duration: relationship.duration,
    autoExtendDuration: relationship.autoExtendDuration,
    customer: known ? { tenantId: relationship.customerTenantId, displayName: tenant.displayName } : null,
    accessDetails: roleList(relationship.roles),
    status: relationship.status,
    createdDateTime: dateTime(relationship.createdAt),
    lastModifiedDateTime: dateTime(relationship.activatedAt ?? relationship.createdAt),
    activatedDateTime: dateTime(relationship.activatedAt),
    endDateTime: dateTime(relationship.endsAt),
  }
}

function assignmentBody(assignment: GdapAssignment): object {
  return {
    '@odata.etag': etag(JSON.stringify(assignment)),
    id: assignment.id,
    status: assignment.status,
    accessContainer: { accessContainerId: assignment.groupId, accessContainerType: 'securityGroup' },
    accessDetails: roleList(assignment.roles),
  }
}

function roleList(roles: string[]): object {
  return { unifiedRoles: roles.map((roleDefinitionId) => ({ roleDefinitionId })) }
}

function etag(of: string): string {
  return `W/"${createHash('sha1').update(of).digest('base64').slice(0, 24)}"`
}

/** Graph writes seven fractional digits. */
function dateTime(date: Date | null): string | null {
  return date === null ? null : date.toISOString().replace('Z', '0000Z')
}
