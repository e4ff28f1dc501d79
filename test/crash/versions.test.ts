import { sql } from 'kysely'
import { expect, onTestFinished, test } from 'vitest'
import { startFleet } from './fleet.ts'

/** What a later version's compatible migration may do, of every sort that test/db/compatible.test.ts lets pass. */
const migration = [
  sql`alter table persons add column pronouns text`,
  sql`alter table sync_runs add column weather text not null default 'fair'`,
  sql`alter table holds add column ticket text`,
  sql`create table parking_lots (entra_tenant_id uuid primary key, spaces int not null)`,
  sql`create index persons_pronouns on persons (pronouns)`,
  sql`create function note_spaces() returns trigger language plpgsql as $$ begin return null; end $$`,
  sql`create trigger spaces after insert on persons for each statement execute function note_spaces()`,
  sql`insert into schema_migrations (version, name, checksum, compatible) values (9000, 'parking', '-', true)`,
]

test.each(['redis', 'postgres'] as const)(
  'workers go on while a compatible migration comes, and start anew on it and after it, on %s',
  async (backend) => {
    const fleet = await startFleet(backend, 2, { seed: 5, sizes: [60, 25], customers: 1, latencyMs: 5 })
    onTestFinished(() => fleet.close())
    const over = new AbortController()
    const traffic = (async () => {
      for (let seed = 1; !over.signal.aborted; seed++) {
        for (const tenant of fleet.cloud.tenants) {
          await fetch(`${fleet.cloud.controlUrl}/mutate`, {
            method: 'POST',
            headers: { 'content-type': 'application/json' },
            body: JSON.stringify({ tenantId: tenant.id, count: 3, seed }),
          })
          await fleet.ask(tenant.id, seed % 5 === 0 ? 'full' : 'delta')
        }
        await fleet.settle()
      }
    })()
    const { db } = fleet.database
    const ended = async () =>
      (
        await sql<{ n: number }>`select count(*) as n from sync_runs where finished_at is not null`.execute(
          db,
        )
      ).rows[0]?.n ?? 0
    const someRuns = async () => {
      const wanted = (await ended()) + 4
      while ((await ended()) < wanted) await new Promise((resolve) => setTimeout(resolve, 50))
    }
    await someRuns()
    for (const statement of migration) {
      await statement.execute(db)
      await someRuns()
    }
    // One of each is what a rolling upgrade and its way back look like to the other.
    for (const worker of fleet.workers.slice()) {
      await fleet.replace(worker)
      await someRuns()
    }
    over.abort()
    await traffic
    await fleet.settle()
    expect(await fleet.differences()).toEqual([])
    const { rows } = await sql`select 1 from sync_runs where outcome = 'failed'`.execute(db)
    expect(rows).toEqual([])
  },
)
