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
  let since = new Date()
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
    const runs = await db
      .selectFrom('sync_runs')
      .select(['entra_tenant_id', 'collections', 'finished_at', 'requests', 'outcome'])
      .where('finished_at', '>', since)
      .orderBy('finished_at')
      .execute()
    for (const run of runs) {
      if (run.finished_at) since = run.finished_at
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

function clock(): string {
  return new Date().toISOString().slice(11, 19)
}
