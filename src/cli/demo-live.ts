import { setTimeout as sleep } from 'node:timers/promises'
import { sql, type Kysely } from 'kysely'
import type { Database } from '../db/tables.ts'
import type { CloudTenant } from './demo-truth.ts'

export interface LiveDemo {
  db: Kysely<Database>
  controlUrl: string
  tenants: CloudTenant[]
  say: (line: string) => void
  signal: AbortSignal
}

/** How often the cloud changes: a few events a minute look like a working day and can still be read. */
const everyMs = 4000

interface CollectionCounts {
  added?: number
  changed?: number
  removed?: number
}

/** Keeps changing the simulated cloud, and prints what each delta brought into the tables, until the signal. */
export async function followChanges({ db, controlUrl, tenants, say, signal }: LiveDemo): Promise<void> {
  const names = new Map(tenants.map((tenant) => [tenant.id, tenant.displayName]))
  // A timestamp has microseconds in Postgres and milliseconds here, so the newest run would be found again by it.
  const told = new Set((await finishedRuns(db)).map((run) => run.run_id))
  for (let turn = 0; !signal.aborted; turn++) {
    const tenant = tenants[(turn * 7) % tenants.length]
    if (tenant) {
      const answer = await fetch(`${controlUrl}/mutate`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ tenantId: tenant.id, count: 3, seed: turn }),
        signal,
      })
      if (!answer.ok)
        throw new Error(`the simulated cloud refused a change: ${answer.status} ${await answer.text()}`)
      say(`${clock()}  cloud     ${tenant.displayName}: 3 changes`)
    }
    await sleep(everyMs, undefined, { signal }).catch(() => {})
    if (signal.aborted) return
    for (const run of await finishedRuns(db)) {
      if (told.has(run.run_id)) continue
      told.add(run.run_id)
      const changes = Object.entries(run.collections as Record<string, CollectionCounts>)
        .map(([name, counts]) => [name, counts.added ?? 0, counts.changed ?? 0, counts.removed ?? 0] as const)
        .filter(([, added, changed, removed]) => added + changed + removed > 0)
        .map(([name, added, changed, removed]) => `${name} +${added} ~${changed} -${removed}`)
      if (changes.length > 0) {
        say(
          `${clock()}  entra-sync ${names.get(run.entra_tenant_id) ?? run.entra_tenant_id}: ${changes.join(', ')} in ${run.requests} requests (${run.outcome})`,
        )
      }
    }
    if (turn % 15 === 14) {
      const { rows } = await sql<{ users: number; members: number }>`
        select (select count(*) from persons where deleted_at is null) as users, (select count(*) from group_members) as members`.execute(
        db,
      )
      say(`${clock()}  tables    ${rows[0]?.users} users, ${rows[0]?.members} memberships`)
    }
  }
}

/** The latest runs, oldest first: more than can end between two looks. */
async function finishedRuns(db: Kysely<Database>) {
  const runs = await db
    .selectFrom('sync_runs')
    .select(['run_id', 'entra_tenant_id', 'collections', 'requests', 'outcome'])
    .where('finished_at', 'is not', null)
    .orderBy('finished_at', 'desc')
    .limit(200)
    .execute()
  return runs.reverse()
}

function clock(): string {
  return new Date().toISOString().slice(11, 19)
}
