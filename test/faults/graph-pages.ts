import { cloudFault, knobFault, type Fault } from './fault.ts'
import type { World } from './world.ts'

const users = '^/users/delta'
const laterPages = '^/(users|groups)/delta.*skiptoken'
const edit = { kind: 'edit' } as const
const malformed = /"kind":"malformed"/
const unknownUser = 'eeeeeeee-0000-4000-8000-000000000001'

/** The delta token is gone: a full round in the same run, begun where we begin, not where Location says. */
function goneFault(how: string, headersOf: (world: World) => Record<string, string>): Fault {
  let id = 0
  return {
    number: 18,
    name: `410 ${how}`,
    tells: null,
    reach: 'victim',
    inject(world) {
      id = world.cloud.faults.add({
        tenantId: world.victim.id,
        path: `${users}.*deltatoken=\\w`,
        effect: { kind: 'status', status: 410, code: 'resyncRequired', headers: headersOf(world) },
      })
    },
    end: ({ cloud }) => cloud.faults.remove(id),
  }
}

function redirectFault(): Fault {
  let id = 0
  return {
    number: 17,
    name: 'a redirect to another host',
    tells: /"code":"redirect_refused"/,
    reach: 'victim',
    inject({ cloud, victim, trap }) {
      const headers = { location: `${trap.origin}/v1.0/users/delta` }
      id = cloud.faults.add({
        tenantId: victim.id,
        path: users,
        effect: { kind: 'status', status: 302, headers },
      })
    },
    end: ({ cloud }) => cloud.faults.remove(id),
  }
}

/** Numbers 14 to 33 as far as they are about pages, links and bodies. */
export const graphPages: Fault[] = [
  knobFault({
    number: 14,
    name: 'empty pages with a nextLink',
    tells: null,
    mode: 'full',
    knobs: { emptyPages: 0.8 },
    well: { emptyPages: 0 },
  }),
  cloudFault({
    number: 15,
    name: 'a last page without both links',
    tells: /"code":"no_link"/,
    path: laterPages,
    mode: 'full',
    effect: { ...edit, drop: ['@odata.nextLink', '@odata.deltaLink'] },
  }),
  knobFault({
    number: 16,
    name: 'a nextLink that leads to its own page',
    tells: /"code":"link_loop"/,
    mode: 'full',
    knobs: { nextLinkLoop: true },
    well: { nextLinkLoop: false },
  }),
  {
    number: 17,
    name: 'a nextLink to another host',
    tells: /"code":"foreign_link"/,
    reach: 'victim',
    mode: 'full',
    inject: ({ cloud, victim, trap }) => cloud.faults.knobs(victim.id, { foreignNextLink: trap.origin }),
    end: ({ cloud, victim }) => cloud.faults.knobs(victim.id, { foreignNextLink: null }),
  },
  redirectFault(),
  goneFault('with a Location to begin again', ({ cloud }) => ({
    location: `${cloud.origin}/v1.0/users/delta?$deltatoken=`,
  })),
  goneFault('with an evil Location', ({ trap }) => ({ location: `${trap.origin}/v1.0/users/delta` })),
  goneFault('without a Location', () => ({})),
  ...[400, 404, 410].map((status) =>
    cloudFault({
      number: 19,
      name: `a delta token that expired, as ${status}`,
      tells: null,
      path: '^/(users|groups)/delta.*deltatoken=\\w',
      effect: { kind: 'status', status, code: 'syncStateNotFound' },
    }),
  ),
  knobFault({
    number: 19,
    name: 'page tokens that have expired',
    tells: /"kind":"restart"/,
    mode: 'full',
    knobs: { expiredPageToken: true },
    well: { expiredPageToken: false },
  }),
  ...(['html', 'truncated', 'cut', 'wrong-gzip'] as const).map((kind) =>
    cloudFault({
      number: 20,
      name: `200 with a body that is ${kind}`,
      tells: /"kind":"(malformed|transient)"/,
      path: laterPages,
      mode: 'full',
      effect: { kind },
    }),
  ),
  ...(
    [
      ['null', { set: { value: null } }],
      ['an object', { set: { value: { items: [] } } }],
      ['missing', { drop: ['value'] }],
      ['missing with all else', { whole: {} }],
    ] as [string, object][]
  ).map(([what, change]) =>
    cloudFault({
      number: 21,
      name: `value is ${what}`,
      tells: malformed,
      path: users,
      mode: 'full',
      effect: { ...edit, ...change },
    }),
  ),
  cloudFault({
    number: 23,
    name: '@removed of somebody whom nobody knows',
    tells: null,
    path: users,
    effect: {
      ...edit,
      behind: [
        { id: unknownUser, '@removed': { reason: 'changed' } },
        { id: unknownUser, '@removed': { reason: 'deleted' } },
      ],
    },
  }),
  knobFault({
    number: 26,
    name: 'users reduced to their ids in the middle of a run',
    tells: /"code":"limited_information"/,
    mode: 'full',
    knobs: { reduced: ['users'] },
    well: { reduced: [] },
  }),
  ...[undefined, '0', '-1', '86400', 'date+2', 'date-600', 'soon'].map((retryAfter) =>
    cloudFault({
      number: 27,
      name: `429 with Retry-After ${retryAfter ?? 'missing'}`,
      tells: null,
      path: '^/(users|groups)',
      times: 14,
      effect: { kind: 'status', status: 429, ...(retryAfter !== undefined && { retryAfter }) },
    }),
  ),
  {
    number: 28,
    name: 'tokens that end in the middle of a round',
    tells: null,
    reach: 'victim',
    mode: 'full',
    inject({ cloud, victim }) {
      cloud.issuer.revoke(victim.id)
      cloud.faults.tokenLifetimeSeconds = 1
    },
    end: ({ cloud }) => void (cloud.faults.tokenLifetimeSeconds = 3599),
  },
  cloudFault({
    number: 28,
    name: '401 on a later page, whatever the token',
    tells: /"kind":"access_lost"/,
    path: laterPages,
    mode: 'full',
    after: 1,
    effect: { kind: 'status', status: 401, code: 'InvalidAuthenticationToken' },
  }),
  ...(
    [
      ['one byte at a time', { kind: 'drip', everyMs: 40 }],
      ['a body that never ends', { kind: 'endless' }],
      ['an answer that never comes', { kind: 'silence' }],
      ['70 MB out of 70 kB', { kind: 'zip-bomb', bytes: 70_000_000 }],
    ] as const
  ).map(([name, effect]) =>
    cloudFault({
      number: 33,
      name,
      tells: /"kind":"(transient|malformed)"/,
      path: users,
      mode: 'full',
      effect,
    }),
  ),
]
