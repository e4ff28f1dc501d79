import fc from 'fast-check'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { targetDifferences } from '../targets/model/differences.ts'
import { startFleet, type Fleet } from './fleet.ts'
import { settled } from './settled.ts'

/** What may happen, in any order; the cloud changes while workers read it and die. */
const events = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        what: fc.constant('mutate' as const),
        tenant: fc.nat(3),
        count: fc.integer({ min: 1, max: 8 }),
        seed: fc.nat(),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        what: fc.constant('sync' as const),
        tenant: fc.nat(3),
        mode: fc.constantFrom('delta' as const, 'full' as const),
      }),
    },
    { weight: 2, arbitrary: fc.record({ what: fc.constant('kill' as const), worker: fc.nat(1) }) },
    {
      weight: 1,
      arbitrary: fc.record({
        what: fc.constant('throttle' as const),
        tenant: fc.nat(3),
        times: fc.integer({ min: 1, max: 3 }),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ what: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 300 }) }),
    },
  ),
  { minLength: 10, maxLength: 24 },
)

describe.each(['redis', 'postgres'] as const)('on %s', (backend) => {
  let fleet: Fleet
  beforeAll(async () => {
    fleet = await startFleet(backend, 2, {
      seed: 7,
      sizes: [120, 40, 25, 15],
      customers: 3,
      latencyMs: 10,
      deployed: true,
    })
  })
  afterAll(() => fleet.close())

  test('after any mutations, syncs, throttles and SIGKILLs of workers tables, targets and feed equal the truth', async () => {
    await fc.assert(
      fc.asyncProperty(events, async (list) => {
        for (const event of list) await happen(fleet, event)
        fleet.cloud.faults.clear()
        await fleet.settle()
        await settled(fleet.database.db)
        expect(await fleet.differences()).toEqual([])
        expect(await targetDifferences(fleet.database.db)).toEqual([])
      }),
      // A shrink would run against the state its failure left: the sequence itself is what helps.
      { numRuns: 6, endOnFailure: true },
    )
  })
})

type Event = (typeof events extends fc.Arbitrary<infer List> ? List : never) extends (infer One)[]
  ? One
  : never

async function happen(fleet: Fleet, event: Event): Promise<void> {
  const tenant = fleet.cloud.tenants['tenant' in event ? event.tenant : 0]
  const worker = fleet.workers['worker' in event ? event.worker : 0]
  if (!tenant || !worker) throw new Error('the fleet has four tenants and two workers')
  switch (event.what) {
    case 'mutate': {
      const answer = await fetch(`${fleet.cloud.controlUrl}/mutate`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ tenantId: tenant.id, count: event.count, seed: event.seed }),
      })
      expect(answer.status).toBe(200)
      return
    }
    case 'sync':
      return fleet.ask(tenant.id, event.mode)
    case 'kill':
      return fleet.replace(worker)
    case 'throttle':
      fleet.cloud.faults.add({
        tenantId: tenant.id,
        path: '/delta',
        times: event.times,
        effect: { kind: 'status', status: 429, retryAfter: 1 },
      })
      return
    case 'wait':
      await sleep(event.ms)
  }
}
