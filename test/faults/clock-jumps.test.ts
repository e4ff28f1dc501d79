import { once } from 'node:events'
import type { ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { sql } from 'kysely'
import { expect, onTestFinished, test } from 'vitest'
import { shortTimings, startFleet, type Fleet } from '../crash/fleet.ts'
import { until } from '../jobs/support.ts'

const minute = 60_000

const preload = fileURLToPath(new URL('../harness/clock-of-child.ts', import.meta.url))

/** A daemon whose clock is in our hand, with default timings but for those that would only make us wait. */
async function daemonWithClock(
  backend: 'redis' | 'postgres',
): Promise<{ fleet: Fleet; daemon: ChildProcess }> {
  const fleet = await startFleet(backend, 0, {
    seed: 54,
    sizes: [8, 6, 6, 6],
    customers: 3,
    timings: { ...shortTimings, sync: {}, graph: { maxInlineWaitMs: 500 } },
  })
  onTestFinished(() => fleet.close())
  fleet.env['NODE_OPTIONS'] = `--import=${preload}`
  return { fleet, daemon: await fleet.startWorker() }
}

async function putClockOf(daemon: ChildProcess, offsetMs: number): Promise<void> {
  const heard = once(daemon, 'message')
  daemon.send({ putClock: offsetMs })
  await heard
}

const minutesOf = { redis: [-5, 24 * 60, -60, 0], postgres: [-60, 0] }

// One after the other, to one process: what a jump leaves behind is there when the next one comes.
test.each(['redis', 'postgres'] as const)(
  'a daemon whose clock is put back and forth goes on, backs off and waits for Microsoft by the clock of Postgres, on %s',
  async (backend) => {
    const { fleet, daemon } = await daemonWithClock(backend)
    const { db } = fleet.database
    const ids = fleet.cloud.tenants.map(({ id }) => id)
    const [, failing = '', throttled = ''] = ids
    const healthy = ids.filter((id) => id !== failing && id !== throttled)

    const makeDue = (which: readonly string[]) =>
      sql`update entra_tenants set next_sync_at = now() where entra_tenant_id = any (${which}::uuid[])`.execute(
        db,
      )
    async function fresh(what: string, which: readonly string[]): Promise<void> {
      const { rows: clock } = await sql<{ now: Date }>`select clock_timestamp() as now`.execute(db)
      await makeDue(which)
      await until(
        what,
        async () => {
          const { rows } = await sql`select 1 from entra_tenants
            where entra_tenant_id = any (${which}::uuid[]) and last_synced_at > ${clock[0]?.now}`.execute(db)
          return rows.length === which.length
        },
        60_000,
      )
    }
    async function state(id: string) {
      const { rows } = await sql<{ failures: number; nextMinutes: number; heldUntil: Date | null }>`
        select consecutive_failures as failures, extract(epoch from next_sync_at - now())::float8 / 60 as "nextMinutes",
          throttled_until as "heldUntil"
        from entra_tenants join sync_leases using (entra_tenant_id) where entra_tenant_id = ${id}`.execute(db)
      return rows[0]
    }
    /** One that turns in circles is started again and again. */
    async function startsOf(id: string): Promise<number> {
      const jobs = await fleet.queues.sync.getJobs(['delayed', 'active', 'waiting', 'prioritized'])
      const own = jobs.filter((job) => (job.data as { entraTenantId?: string }).entraTenantId === id)
      return own.reduce((sum, job) => sum + job.attemptsStarted, 0)
    }

    await fresh('all to be read', ids)
    for (const minutes of minutesOf[backend]) {
      const at = `the clock at ${minutes} minutes`
      // One rests after a failure, one because Microsoft wants no calls: their wake-ups lie in the queue, for later.
      fleet.cloud.faults.knobs(failing, { forbidden: ['users'] })
      const busy = fleet.cloud.faults.add({
        tenantId: throttled,
        path: 'delta',
        effect: { kind: 'status', status: 429, retryAfter: 5 },
      })
      await makeDue([failing, throttled])
      const heldUntil = await until(`one to fail, one to be held, before ${at}`, async () => {
        const failed = ((await state(failing))?.failures ?? 0) > 0
        return failed && (await state(throttled))?.heldUntil
      })
      fleet.cloud.faults.knobs(failing, { forbidden: [] })
      fleet.cloud.faults.remove(busy)
      const since = Date.now()
      const starts = await startsOf(throttled)

      await putClockOf(daemon, minutes * minute)
      await fresh(`the others to be read, ${at}`, healthy)
      expect(await startsOf(throttled)).toBeLessThanOrEqual(starts + 3)
      // Next in half an hour: neither a jump sooner nor a jump later.
      for (const id of healthy) {
        const { nextMinutes = 0 } = (await state(id)) ?? {}
        expect(nextMinutes).toBeGreaterThan(25)
        expect(nextMinutes).toBeLessThan(34)
      }
      await fresh(`the one that failed to be read again when it is due, ${at}`, [failing])
      await fresh(`the one that was held to be read again, ${at}`, [throttled])
      const early = fleet.cloud.requests
        .recent()
        .filter(
          ({ tenantId, at: asked }) => tenantId === throttled && asked > since && asked < heldUntil.getTime(),
        )
      expect(early).toEqual([])
    }
    await until('all to be as in the cloud', async () => (await fleet.differences()).length === 0)
  },
  400_000,
)
