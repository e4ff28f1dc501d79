import { createUnits } from '../../src/graph/units.ts'
import { sql } from 'kysely'
import { expect, onTestFinished, test } from 'vitest'
import { takeUnits } from '../../src/db/app-budgets.ts'
import { compareCloud } from '../../src/cli/demo-truth.ts'
import { startEngine } from '../jobs/engine.ts'
import { until } from '../jobs/support.ts'

const circuit = { failures: 10, probeMs: 250, restMs: 1000 }
const budget = { units: 120, windowMs: 1000 }
const block = 20

for (const [service, path] of [
  ['graph', '^/(users|groups|subscribedSkus|organization)'],
  ['login', '/oauth2/v2.0/token'],
] as const) {
  test(`after an outage of ${service} all come back without a herd, under the budget; nobody has backed off for it`, async () => {
    let take: (app: string, wanted: number) => Promise<number> = async () => 0
    const engine = await startEngine(
      'redis',
      [12, ...Array.from({ length: 59 }, (_, index) => 3 + (index % 4))],
      { maxInlineWaitMs: 1500 },
      {
        circuit,
        units: createUnits(
          { appOf: () => 'app', take: (app, wanted) => take(app, wanted), hold: async () => {} },
          { block, askMs: 100 },
        ),
      },
    )
    onTestFinished(() => engine.close())
    const { cloud, tenants } = engine
    const { db } = engine.database
    take = (app, wanted) => takeUnits(db, app, wanted, budget)
    await engine.startWorkers(2, { concurrency: 8 })
    cloud.faults.add({ path, effect: { kind: 'status', status: 503 } })
    await sql`update entra_tenants set next_sync_at = now()`.execute(db)
    await engine.tick()
    await until('it to be noticed', () => Promise.resolve(engine.graph.away().length > 0))
    expect(engine.graph.away()).toMatchObject([{ service }])

    // Away for long: every tenant is held, and comes again and again.
    const asked = () =>
      Object.entries(cloud.requests.counts())
        .filter(([kind]) => (kind === '/oauth2/v2.0/token') === (service === 'login'))
        .reduce((sum, [, count]) => sum + count, 0)
    const before = asked()
    expect(before).toBeGreaterThanOrEqual(circuit.failures)
    const startedAt = performance.now()
    const held = new Map<string, Set<number>>()
    await until(
      'all to have been held twice',
      async () => {
        await engine.tick()
        const { rows } = await sql<{ id: string; at: number }>`
          select entra_tenant_id as id, extract(epoch from throttled_until)::float8 as at
          from sync_leases where throttled_until is not null`.execute(db)
        for (const { id, at } of rows) held.set(id, (held.get(id) ?? new Set()).add(at))
        const failing = await failures()
        return tenants.every((id) => (held.get(id)?.size ?? 0) >= 2 || (failing.get(id) ?? 0) > 0)
      },
      60_000,
    )
    const probes = (performance.now() - startedAt) / circuit.probeMs
    // A probe at a time, and what was under way when it was noticed.
    expect(asked() - before).toBeLessThanOrEqual(probes + 2 * 16)
    // Only those who failed before it was noticed have a failure, and one.
    const most = async () => [...(await failures()).values()].filter((count) => count > 0)
    expect((await most()).every((count) => count === 1)).toBe(true)
    expect((await most()).length).toBeLessThanOrEqual(circuit.failures + 16)

    cloud.requests.reset()
    cloud.faults.clear()
    await sql`update entra_tenants set next_sync_at = now() where consecutive_failures > 0`.execute(db)
    await until(
      'all to be synced',
      async () => {
        await engine.tick()
        const { rows } = await sql<{ n: number }>`
          select count(*)::int as n from entra_tenants where last_synced_at is not null`.execute(db)
        return rows[0]?.n === tenants.length
      },
      60_000,
    )
    expect(engine.graph.away()).toEqual([])
    // In any second, as the cloud saw it: two windows may meet in it, and a block and what is under way come on top.
    const seen = cloud.requests.recent()
    for (const [index, { at }] of seen.entries()) {
      let units = 0
      for (let next = index; next < seen.length && (seen[next]?.at ?? 0) < at + budget.windowMs; next++)
        units += seen[next]?.units ?? 0
      expect(units).toBeLessThanOrEqual(2 * budget.units + block + 16 * 5)
    }
    expect(
      await compareCloud(db, cloud.controlUrl, cloud.tenants, { devices: false, sources: false }),
    ).toEqual([])

    async function failures(): Promise<Map<string, number>> {
      const { rows } = await sql<{ id: string; n: number }>`
        select entra_tenant_id as id, consecutive_failures as n from entra_tenants`.execute(db)
      return new Map(rows.map(({ id, n }) => [id, n]))
    }
  })
}
