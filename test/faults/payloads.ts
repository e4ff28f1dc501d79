import { expect } from 'vitest'
import { until } from '../jobs/support.ts'
import type { Fault } from './fault.ts'
import type { World } from './world.ts'

interface Bad {
  number: number
  name: string
  data(world: World): unknown
  tells: RegExp | null
  /** Beginning of what the job says when it has failed; null = it does not fail. */
  fails?: string
}

let jobId = ''

/** A job that any BullMQ client adds. It fails once, at once, and is not tried again. */
function payload({ number, name, data, tells, fails }: Bad): Fault {
  return {
    number,
    name,
    tells,
    reach: 'victim',
    first: true,
    async inject(world) {
      jobId = (await world.app.queues.sync.add('sync-tenant', data(world), { attempts: 5 })).id ?? ''
    },
    end: () => {},
    async expect({ app }) {
      const ended = await until('the job to end', async () => {
        const job = await app.queues.sync.getJob(jobId)
        return job?.finishedOn === undefined ? null : job
      })
      if (fails === undefined) expect(ended.failedReason).toBeFalsy()
      else
        expect({ reason: ended.failedReason, tries: ended.attemptsMade }).toEqual({
          reason: expect.stringContaining(fails),
          tries: 1,
        })
    },
  }
}

const nested = (depth: number): unknown => JSON.parse('['.repeat(depth) + ']'.repeat(depth))

/** Numbers 7 to 12. */
export const payloadFaults: Fault[] = [
  ...(
    [
      [
        7,
        'a field of a version that nobody knows',
        ({ victim }) => ({ entraTenantId: victim.id, version: 99 }),
      ],
      [
        9,
        'a key __proto__',
        ({ victim }) => JSON.parse(`{"entraTenantId":"${victim.id}","__proto__":{"mode":"full"}}`) as unknown,
      ],
      [
        9,
        'five megabytes',
        ({ victim }) => ({ entraTenantId: victim.id, requestedBy: 'x'.repeat(5_000_000) }),
      ],
      [
        9,
        'a thousand levels deep',
        ({ victim }) => ({ entraTenantId: victim.id, collections: nested(1000) }),
      ],
    ] as [number, string, Bad['data']][]
  ).map(([number, name, data]) =>
    payload({ number, name, data, tells: /"code":"payload_invalid"/, fails: 'payload_invalid' }),
  ),
  payload({
    number: 8,
    name: 'an Entra tenant that is none of ours',
    data: () => ({ entraTenantId: 'eeeeeeee-0000-4000-8000-00000000000e' }),
    tells: /"code":"entra_tenant_unknown"/,
    fails: 'entra_tenant_unknown',
  }),
  payload({
    number: 11,
    name: 'a wake-up of long ago',
    data: ({ victim }) => ({ entraTenantId: victim.id, requestSeq: 1, attempt: 4711 }),
    tells: null,
  }),
  {
    number: 10,
    name: 'the same job ten times at once',
    tells: null,
    reach: 'victim',
    first: true,
    async inject({ app, victim }) {
      const job = { name: 'sync-tenant', data: { entraTenantId: victim.id } }
      await app.queues.sync.addBulk(Array.from({ length: 10 }, () => job))
    },
    end: () => {},
  },
  {
    number: 12,
    name: 'a job with the id of one that has ended and is kept',
    tells: null,
    reach: 'victim',
    first: true,
    async inject({ app, victim }) {
      const add = () =>
        app.queues.sync.add('sync-tenant', { entraTenantId: victim.id }, { jobId: 'every-night' })
      await add()
      await until(
        'the first one to end',
        async () => (await app.queues.sync.getJob('every-night'))?.finishedOn,
      )
      await add()
    },
    end: () => {},
  },
]
