import { Directory } from '../../simulator/directory/directory.ts'
import { handleGraph } from '../../simulator/graph/router.ts'
import { seededRandom } from '../../simulator/random.ts'
import { unknownApp } from '../../simulator/tenant-apps.ts'
import type { DeltaKnobs, GraphContext, SimRequest, SimResponse, TenantApp } from '../../simulator/types.ts'

export const origin = 'https://localhost:4711'
export const tenantId = '0f5a1d1c-3a41-4a7e-9d0e-5f8f4f3f2a10'

export const allRoles = [
  'User.Read.All',
  'GroupMember.Read.All',
  'LicenseAssignment.Read.All',
  'Organization.Read.All',
  'Device.Read.All',
  'Team.ReadBasic.All',
  'Application.Read.All',
  'Member.Read.Hidden',
]

const wellBehaved: DeltaKnobs = {
  replays: 0,
  duplicates: 0,
  shuffle: false,
  splitMembers: null,
  emptyPages: 0,
  lateMs: 0,
  expiredDeltaToken: null,
  expiredPageToken: false,
  foreignNextLink: null,
  nextLinkLoop: false,
  valueNotArray: false,
  reduced: [],
  forbidden: [],
  pageSize: null,
}

/** One tenant asked without any server: its directory, clock, roles and knobs are the test's to turn. */
export interface Asked {
  directory: Directory
  context: GraphContext
  clock: { now: number }
  knobs: DeltaKnobs
  applied: (keyof DeltaKnobs)[]
  roles: string[]
  get(link: string, headers?: Record<string, string>): Promise<SimResponse>
  post(link: string, body: unknown): Promise<SimResponse>
}

export function askDirectory(options: { knobs?: Partial<DeltaKnobs>; seed?: number } = {}): Asked {
  const clock = { now: Date.parse('2026-09-01T08:00:00Z') }
  const domains = ['contoso.example', 'contoso.onmicrosoft.com']
  const directory = new Directory({ tenantId, displayName: 'Contoso', domains, clock: () => clock.now })
  const knobs: DeltaKnobs = { ...wellBehaved, ...options.knobs }
  const applied: (keyof DeltaKnobs)[] = []
  const roles = [...allRoles]
  const clientId = '7b9e61f2-0c53-4f70-9d3c-2a4f1d2b8c90'
  const app: TenantApp = {
    state: 'ready',
    servicePrincipalId: '5b6a4c7d-8e9f-4a1b-8c2d-d2a1c3f45b6a',
    roles,
    late: null,
    delegated: [],
  }
  const context: GraphContext = {
    tenant: {
      id: tenantId,
      displayName: 'Contoso',
      defaultDomain: 'contoso.example',
      domains,
      userCount: 0,
      directory,
      app,
      apps: new Map([[clientId, app]]),
      appOf: (id) => (id === clientId ? app : unknownApp(tenantId, id)),
      partnerGroups: null,
      gdap: [],
      unlistedFor: new Set(),
    },
    origin,
    roles,
    appId: clientId,
    user: null,
    registrations: [
      {
        clientId,
        displayName: 'ImmyBot',
        homeTenantId: tenantId,
        singleTenant: false,
        secrets: [],
        expiredSecrets: [],
        secretEnds: new Map(),
        secretEndsAt: new Date(clock.now),
        certificates: [],
        redirectUris: null,
        requiredRoles: [],
        requiredScopes: [],
        allowPublicClient: true,
      },
    ],
    rolesDelayMs: 0,
    faults: { knobs, applied: (knob) => void applied.push(knob), random: seededRandom(options.seed ?? 1) },
    admit: () => ({ refusal: null, headers: { 'x-ms-resource-unit': '1' } }),
    contracts: () => ({ status: 200, headers: {}, body: { value: [] } }),
    tenantRelationships: () => ({ status: 200, headers: {}, body: { value: [] } }),
    now: () => clock.now,
  }
  const ask = (
    method: string,
    link: string,
    headers: Record<string, string>,
    body: string,
  ): Promise<SimResponse> => handleGraph(requestOf(method, link, headers, body), context)
  return {
    directory,
    context,
    clock,
    knobs,
    applied,
    roles,
    get: (link, headers = {}) => ask('GET', link, headers, ''),
    post: (link, body) => ask('POST', link, { 'content-type': 'application/json' }, JSON.stringify(body)),
  }
}

function requestOf(method: string, link: string, headers: Record<string, string>, body: string): SimRequest {
  const url = new URL(link.startsWith('/') ? `${origin}/v1.0${link}` : link)
  return {
    method,
    path: decodeURIComponent(url.pathname).slice('/v1.0'.length),
    query: url.searchParams,
    headers,
    body,
  }
}

export interface Page {
  '@odata.context'?: string
  '@odata.count'?: number
  '@odata.nextLink'?: string
  '@odata.deltaLink'?: string
  value: ({ id: string; '@removed'?: { reason: string } } & Record<string, unknown>)[]
}

/** The body of a good answer. */
export function page(response: SimResponse): Page {
  if (response.status !== 200) throw new Error(`${response.status} ${JSON.stringify(response.body)}`)
  return response.body as Page
}

/** Code of a refusal. */
export function code(response: SimResponse): string | undefined {
  return (response.body as { error?: { code: string } }).error?.code
}

/** All pages of a list or a round, `between` is called after each but the last. */
export async function pages(
  asked: Asked,
  link: string,
  { headers = {}, between }: { headers?: Record<string, string>; between?: () => void } = {},
): Promise<Page[]> {
  const read: Page[] = []
  for (let next: string | undefined = link; next !== undefined;) {
    const body = page(await asked.get(next, headers))
    read.push(body)
    next = body['@odata.nextLink']
    if (next !== undefined) between?.()
    if (read.length > 20_000) throw new Error('The round does not end')
  }
  return read
}

/** Everything one round tells, and its delta link. */
export async function round(
  asked: Asked,
  link: string,
  options: Parameters<typeof pages>[2] = {},
): Promise<{ value: Page['value']; deltaLink: string }> {
  const read = await pages(asked, link, options)
  return {
    value: read.flatMap(({ value }) => value),
    deltaLink: read.at(-1)?.['@odata.deltaLink'] ?? '',
  }
}

/** Users with names that sort as they were made. */
export function addUsers(directory: Directory, count: number): string[] {
  return Array.from({ length: count }, (_, index) =>
    directory.addUser({
      displayName: `User ${String(index).padStart(5, '0')}`,
      userPrincipalName: `user${index}@contoso.example`,
      userType: index % 10 === 9 ? 'Guest' : 'Member',
    }),
  )
}
