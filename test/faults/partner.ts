import { expect } from 'vitest'
import type { TenantHandle } from '../../simulator/types.ts'
import { until } from '../jobs/support.ts'
import type { Fault } from './fault.ts'
import type { World } from './world.ts'

const customers = '^/tenantRelationships/delegatedAdminCustomers'

/** A discovery now, and what became of it. */
async function discover({ app, cloud }: World): Promise<string> {
  const { id = '' } = await app.queues.control.add('discover-customers', {
    partnerEntraTenantId: cloud.partnerTenantId,
  })
  return until('the discovery to end', async () => {
    const job = await app.queues.control.getJob(id)
    // Once ended it may be forgotten at once: jobs that ended while a clock was a day fast are the newest for a day.
    if (job === undefined) return { failed: '' }
    return job.finishedOn === undefined ? null : { failed: job.failedReason ?? '' }
  }).then(({ failed }) => failed)
}

/** The other fault of a pair may be ending at this moment, too: what it breaks is begun again. */
async function discoverAgain(world: World): Promise<void> {
  await until('the customers to be discovered again', () =>
    discover(world).then(
      (failed) => failed === '',
      () => false,
    ),
  )
}

async function scheduled({ database }: World): Promise<number> {
  const rows = await database.db
    .selectFrom('tenant_status')
    .select('scheduled')
    .where('scheduled', '=', true)
    .execute()
  return rows.length
}

const asListed = ({ id: tenantId, displayName }: TenantHandle): object => ({
  id: tenantId,
  tenantId,
  displayName,
})

/** The list of customers is not what it is. Nobody is stopped, and nothing of anybody is taken away, because of it. */
function list(
  number: number,
  name: string,
  effectOf: (world: World) => Parameters<World['cloud']['faults']['add']>[0]['effect'],
  fails: string,
): Fault {
  let id = 0
  return {
    number,
    name,
    tells: null,
    reach: 'victim',
    async inject(world) {
      id = world.cloud.faults.add({
        tenantId: world.cloud.partnerTenantId,
        path: customers,
        effect: effectOf(world),
      })
    },
    async expect(world) {
      const before = await scheduled(world)
      expect(await discover(world)).toContain(fails)
      expect(await scheduled(world)).toBe(before)
    },
    async end(world) {
      world.cloud.faults.remove(id)
      await discoverAgain(world)
    },
  }
}

/** Numbers 41 to 43, and what becomes of a relationship while its customer is read. */
export const partnerFaults: Fault[] = [
  list(
    41,
    'an empty list of customers',
    () => ({ kind: 'edit', set: { value: [] }, drop: ['@odata.nextLink'] }),
    '',
  ),
  list(
    41,
    'no list of customers, but 403',
    () => ({ kind: 'status', status: 403, code: 'Authorization_RequestDenied' }),
    'authorization_request_denied',
  ),
  list(41, 'a list of customers that is cut off', () => ({ kind: 'truncated' }), 'not_json'),
  list(
    41,
    'a list of customers without the victim',
    ({ bystanders }) => ({ kind: 'edit', whole: { value: bystanders.slice(1).map(asListed) } }),
    '',
  ),
  list(43, 'customers listed twice', ({ victim }) => ({ kind: 'edit', behind: [asListed(victim)] }), ''),
  {
    number: 42,
    name: 'the relationship ends while its customer is read',
    tells: null,
    reach: 'victim',
    quiet: true,
    inject({ cloud, victim }) {
      cloud.faults.add({
        tenantId: victim.id,
        path: '^/users/delta',
        times: 3,
        effect: { kind: 'latency', ms: 100 },
      })
    },
    async expect(world) {
      const { victim } = world
      const [relationship] = victim.gdap
      if (relationship === undefined) throw new Error('the victim is a customer')
      relationship.status = 'terminated'
      expect(await discover(world)).toBe('')
      await until('the run under way to end', async () => {
        const { serving_seq: serving } = await world.database.db
          .selectFrom('sync_requests')
          .select('serving_seq')
          .where('entra_tenant_id', '=', victim.id)
          .executeTakeFirstOrThrow()
        return serving === null
      })
      const before = await world.freshness(victim)
      expect((await world.openProblems()).map(({ code }) => code)).toContain('gdap_ended')
      await world.cycle()
      await until(
        'the others to be read',
        async () => (await world.freshness(world.bystanders[1] ?? victim)) > before,
      )
      expect(await world.freshness(victim)).toBe(before)
    },
    async end(world) {
      for (const relationship of world.victim.gdap) relationship.status = 'active'
      await discoverAgain(world)
    },
  },
  {
    number: 43,
    name: 'a tenant is renamed',
    tells: null,
    reach: 'victim',
    inject({ victim }) {
      named = victim.displayName
      victim.displayName = `${named} & Söhne\u202E`
    },
    end: ({ victim }) => void (victim.displayName = named),
    async expect(world) {
      expect(await discover(world)).toBe('')
    },
  },
]

let named = ''
