import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Job } from 'bullmq'
import { sql } from 'kysely'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { EntraSyncError } from '../../src/errors.ts'
import type { Handlers } from '../../src/jobs/catalog.ts'
import { startWorker, type RunningWorker } from '../../src/jobs/worker.ts'
import { testDatabase } from '../harness/database.ts'
import { ownRedis } from '../harness/redis.ts'
import {
  backends,
  handlersWith,
  log,
  openTestQueues,
  quickWorker,
  redisCommand,
  until,
  type TestQueues,
} from './support.ts'

const tenant = '11111111-2222-4333-8444-555555555555'
const done = { job: 'completed', result: 'done', again: 'never' } as const

describe.each(backends)('a worker on %s', (backend) => {
  let database: Awaited<ReturnType<typeof testDatabase>>
  // One of our own: cutting all connections of the shared one would fail whatever else runs.
  let redis: Awaited<ReturnType<typeof ownRedis>>
  let queues: TestQueues
  let worker: RunningWorker | null = null

  beforeAll(async () => {
    ;[database, redis] = await Promise.all([testDatabase(), ownRedis()])
  })
  beforeEach(async () => {
    queues = await openTestQueues(backend, database.url, redis.url)
    await Promise.all(queues.all.map((queue) => queue.obliterate({ force: true })))
  })
  afterEach(async () => {
    await worker?.stop(5000)
    worker = null
    await queues.close()
  })
  afterAll(() => Promise.all([database.drop(), redis.stop()]))

  async function work(some: Partial<Handlers>, concurrency = 1): Promise<void> {
    worker = startWorker(
      {
        queues,
        handlers: handlersWith(some),
        log,
        beat: async () => {},
        nameOf: async (id) => (id === tenant ? 'Contoso Ltd' : id),
      },
      'sync',
      { concurrency, timings: quickWorker },
    )
    await worker.ready
  }

  async function ended(job: Job): Promise<Job> {
    return until('the job to end', async () => {
      const now = await queues.sync.getJob(job.id ?? '')
      return now?.finishedOn === undefined ? null : now
    })
  }

  it.each([
    ['nothing', 'sync-tenant', {}, /^payload_invalid sync-tenant: .*entraTenantId/],
    ['no object', 'sync-tenant', 'contoso.com', /^payload_invalid sync-tenant: /],
    ['null', 'sync-tenant', null, /^payload_invalid sync-tenant: /],
    ['an array', 'sync-tenant', [tenant], /^payload_invalid sync-tenant: /],
    ['no GUID', 'sync-tenant', { entraTenantId: "x' or 1=1" }, /^payload_invalid sync-tenant: .*GUID/],
    [
      'an unknown mode',
      'sync-tenant',
      { entraTenantId: tenant, mode: 'fast' },
      /^payload_invalid Contoso Ltd: .*mode/,
    ],
    [
      'a misspelt key',
      'sync-tenant',
      { entraTenantId: tenant, modes: 'full' },
      /^payload_invalid Contoso Ltd: .*modes/,
    ],
    ['an unknown collection', 'sync-tenant', { entraTenantId: tenant, collections: ['mail'] }, /collections/],
    ['no collections', 'sync-tenant', { entraTenantId: tenant, collections: [] }, /collections/],
    ['a foreign requestSeq', 'sync-tenant', { entraTenantId: tenant, requestSeq: 1.5 }, /requestSeq/],
    ['another name', 'sync-everything', {}, /^job_unknown sync-everything: .*sync-tenant/],
    ['a job of another queue', 'tick', {}, /^job_unknown tick: /],
    ['a name out of Object', 'constructor', {}, /^job_unknown constructor: /],
  ])('fails once, at once, for %s', async (_, name, data, message) => {
    await work({})
    const job = await ended(await queues.stranger('sync').add(name, data, { attempts: 5 }))
    expect(job.failedReason).toMatch(message)
    expect(job.attemptsMade).toBe(1)
  })

  it('hands over a parsed payload, whoever added the job and without options', async () => {
    const seen: unknown[] = []
    await work({ 'sync-tenant': async (payload) => (seen.push(payload), done) })
    const job = await ended(
      await queues.stranger('sync').add('sync-tenant', { entraTenantId: tenant.toUpperCase() }),
    )
    expect(seen).toEqual([{ entraTenantId: tenant }])
    expect(job.returnvalue).toBe('done')
  })

  it('fails for good with code and tenant name, whatever attempts the job asks for', async () => {
    let starts = 0
    await work({
      'sync-tenant': async () => {
        starts++
        throw new EntraSyncError('access_lost', 'The app was removed.', {
          code: 'aadsts700016',
          remedy: 'Consent again.',
        })
      },
    })
    const job = await ended(await queues.sync.add('sync-tenant', { entraTenantId: tenant }, { attempts: 3 }))
    expect(job.failedReason).toBe('aadsts700016 Contoso Ltd: The app was removed. Consent again.')
    expect(starts).toBe(1)
  })

  it('tells a fault of ours by a stable code', async () => {
    await work({
      'sync-tenant': async () => {
        throw new TypeError('x is undefined')
      },
    })
    const job = await ended(await queues.sync.add('sync-tenant', { entraTenantId: tenant }))
    expect(job.failedReason).toMatch(/^internal_error Contoso Ltd: x is undefined/)
  })

  it('ends a job whose result or failure holds NUL or half a character', async () => {
    const evil = 'a\u0000b\ud800c'
    let fail = false
    await work({
      'sync-tenant': async () => {
        if (fail) throw new EntraSyncError('malformed', evil, { code: 'evil' })
        return { job: 'completed', result: evil, again: 'never' }
      },
    })
    const first = await ended(await queues.sync.add('sync-tenant', { entraTenantId: tenant }))
    expect(first.returnvalue).toBe('ab\ufffdc')
    fail = true
    const second = await ended(await queues.sync.add('sync-tenant', { entraTenantId: tenant }))
    expect(second.failedReason).toMatch(/^evil Contoso Ltd: ab\ufffdc/)
  })

  it('keeps secrets out of failures', async () => {
    await work({
      'sync-tenant': async () => {
        throw new Error('refused: client_secret=hunter2hunter2 and Bearer abcdefghijkl')
      },
    })
    const job = await ended(await queues.sync.add('sync-tenant', { entraTenantId: tenant }))
    expect(job.failedReason).not.toMatch(/hunter2|abcdefghijkl/)
  })

  it('gives the slot of a delayed job to another and comes back to it', async () => {
    const order: string[] = []
    const other = randomUUID()
    await work({
      'sync-tenant': async ({ entraTenantId }) => {
        order.push(entraTenantId)
        if (entraTenantId === tenant && order.length === 1) {
          return { job: 'delayed', until: new Date(Date.now() + 500), reason: 'throttled' }
        }
        return done
      },
    })
    const throttled = await queues.sync.add('sync-tenant', { entraTenantId: tenant })
    const next = await queues.sync.add('sync-tenant', { entraTenantId: other })
    await ended(next)
    expect((await ended(throttled)).returnvalue).toBe('done')
    expect(order).toEqual([tenant, other, tenant])
  })

  it('shows progress, the last one for certain', async () => {
    await work({
      'sync-tenant': async (_, job) => {
        for (let pages = 1; pages <= 50; pages++) job.progress({ users: { pages } })
        return done
      },
    })
    const job = await ended(await queues.sync.add('sync-tenant', { entraTenantId: tenant }))
    expect(job.progress).toEqual({ users: { pages: 50 } })
  })

  it('keeps a changed payload for the next start', async () => {
    const seen: (number | undefined)[] = []
    await work({
      'sync-tenant': async ({ entraTenantId, requestSeq }, job) => {
        seen.push(requestSeq)
        if (requestSeq !== undefined) return done
        await job.updatePayload({ entraTenantId, requestSeq: 7 })
        return { job: 'delayed', until: new Date(), reason: 'throttled' }
      },
    })
    await ended(await queues.sync.add('sync-tenant', { entraTenantId: tenant }))
    expect(seen).toEqual([undefined, 7])
  })

  it('takes operators before the schedule, and a stranger without options before both', async () => {
    const order: string[] = []
    const name = async (requestedBy: string, priority?: number): Promise<Job> =>
      queues.sync.add(
        'sync-tenant',
        { entraTenantId: tenant, requestedBy },
        priority === undefined ? {} : { priority },
      )
    const jobs = [
      await name('schedule 1', 20),
      await name('schedule 2', 20),
      await name('continued', 19),
      await name('operator', 10),
      await name('stranger'),
    ]
    await work({ 'sync-tenant': async ({ requestedBy }) => (order.push(requestedBy ?? ''), done) })
    await Promise.all(jobs.map(ended))
    expect(order).toEqual(['stranger', 'operator', 'continued', 'schedule 1', 'schedule 2'])
  })

  it('goes on after all its connections were cut', async () => {
    let count = 0
    await work({ 'sync-tenant': async () => (count++, done) })
    await ended(await queues.sync.add('sync-tenant', { entraTenantId: tenant }))
    // Idle workers wait on a connection of its own kind: blocking on Redis, listening on Postgres.
    await sleep(300)
    if (backend === 'redis')
      await redisCommand(queues.url, 'client', 'kill', 'type', 'normal', 'skipme', 'yes')
    else {
      await sql`
        select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid()`.execute(database.db)
    }
    await until('a job to be taken and done', async () => {
      const job = await queues.sync.add('sync-tenant', { entraTenantId: tenant }).catch(() => null)
      return job === null ? null : ended(job)
    })
    expect(count).toBeGreaterThanOrEqual(2)
  })

  it('on stop claims nothing more and lets what runs come to its end', async () => {
    let aborted = false
    const started = Promise.withResolvers<void>()
    await work({
      'sync-tenant': async (_, job) => {
        started.resolve()
        await sleep(60_000, undefined, { signal: job.signal }).catch(() => (aborted = true))
        return done
      },
    })
    const first = await queues.sync.add('sync-tenant', { entraTenantId: tenant })
    const second = await queues.sync.add('sync-tenant', { entraTenantId: tenant })
    await started.promise
    await worker?.stop(10_000)
    expect(aborted).toBe(true)
    expect((await queues.sync.getJob(first.id ?? ''))?.returnvalue).toBe('done')
    expect(await (await queues.sync.getJob(second.id ?? ''))?.getState()).toMatch(/^(waiting|prioritized)$/)
  })

  it('on stop leaves a job that heeds nothing to the next worker', async () => {
    const started = Promise.withResolvers<void>()
    const deaf = Promise.withResolvers<void>()
    let starts = 0
    const handler: Handlers['sync-tenant'] = async () => {
      if (++starts === 1) {
        started.resolve()
        await deaf.promise
      }
      return done
    }
    await work({ 'sync-tenant': handler })
    const job = await queues.sync.add('sync-tenant', { entraTenantId: tenant })
    await started.promise
    await worker?.stop(200)
    expect((await queues.sync.getJob(job.id ?? ''))?.finishedOn).toBeUndefined()
    await work({ 'sync-tenant': handler })
    expect((await ended(job)).returnvalue).toBe('done')
    expect(starts).toBe(2)
    deaf.resolve()
  })
})
