import { sql, type Kysely } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { setDefaultLevel } from '../../src/consent/apps/permission-level.ts'
import { detachCustomer } from '../../src/consent/customers/detach.ts'
import { importCustomers } from '../../src/consent/customers/import-customers.ts'
import { proveConsent, type ProofContext } from '../../src/consent/grants/prove.ts'
import { linkTenant } from '../../src/consent/links/link.ts'
import { addTenant } from '../../src/consent/links/tenants.ts'
import { unlinkTenant } from '../../src/consent/links/unlink.ts'
import { stopSyncing } from '../../src/consent/offboard/stop.ts'
import type { Database } from '../../src/db/tables.ts'
import { EntraSyncError, isEntraSyncError } from '../../src/errors.ts'
import { runTick } from '../../src/scheduler/tick.ts'
import { testDatabase, type TestDatabase } from '../harness/database.ts'
import { openTestQueues, type TestQueues } from '../jobs/support.ts'
import { guid, Script, scriptedContext, sku, syncOnce, user } from '../sync/scripted.ts'
import { log } from './cloud.ts'

// Operators, proofs, the tick and runs at once over a few Entra tenants. Each takes several rows and locks; whoever takes
// two of them in another order than the rest is ended by Postgres sooner or later, as `database`.

const [app, partner] = [guid(7, 7), guid(1, 90)]
const customers = [1, 2, 3, 4].map((number) => guid(number, 91))
const actor = 'test'
let database: TestDatabase
let db: Kysely<Database>
let queues: TestQueues
let tenants: string[]

beforeEach(async () => {
  database = await testDatabase()
  db = database.db
  queues = await openTestQueues('postgres', database.url)
  await sql`insert into entra_tenants (entra_tenant_id) values (${partner})`.execute(db)
  await sql`insert into gdap_customers (partner_entra_tenant_id, entra_tenant_id, display_name)
    select ${partner}, id, id::text from unnest(${customers}::uuid[]) as id`.execute(db)
  await sql`insert into gdap_relationships (relationship_id, partner_entra_tenant_id, entra_tenant_id, status)
    select id::text, ${partner}, id, 'active' from unnest(${customers}::uuid[]) as id`.execute(db)
  await importCustomers(db, 'all', actor)
  for (const name of ['X', 'Y', 'Z']) await addTenant(db, { name, actor })
  const rows = await db.selectFrom('tenants').select('tenant_id').orderBy('slug').execute()
  tenants = rows.map(({ tenant_id }) => tenant_id)
})
afterEach(async () => {
  await queues.close()
  await database.drop()
})

/** Graph answers every request, or refuses every one that comes after a few. */
function graphThatTires(answers: number): ProofContext['graph'] {
  const forTenant = (entraTenantId: string) => ({
    ...new Script(entraTenantId).client(),
    claims: async () => null,
    get: async (): Promise<unknown> => {
      if (answers-- > 0) return { value: [{ id: entraTenantId, displayName: 'C', verifiedDomains: [] }] }
      const code = 'authorization_request_denied'
      throw new EntraSyncError('access_lost', 'Not allowed.', { code, remedy: '', status: 403 })
    },
  })
  return {
    asApp: () => ({ forTenant, close() {} }),
    forgetTokens() {},
    wantedAppFor: async () => app,
  }
}

const domains = ['a.example', 'b.example', 'c.example']
const consentGone = new EntraSyncError('access_lost', 'Not consented.', {
  code: 'consent_required',
  remedy: '',
})

/** All that may happen; `number` says to whom and how, so that neighbours meet. */
const happenings: ((number: number) => Promise<unknown>)[] = [
  (number) =>
    linkTenant(
      db,
      {
        tenantId: pick(tenants, number),
        directory: {
          entraTenantId: pick(customers, number),
          displayName: null,
          defaultDomain: null,
          domains: null,
        },
        domains: number % 3 === 0 ? [] : domains.slice(0, number % 3),
        actor,
      },
      { confirmed: true },
    ),
  (number) => unlinkTenant(db, { tenantId: pick(tenants, number), domains: [], actor }, { confirmed: true }),
  () => importCustomers(db, 'all', actor, { anew: true }),
  (number) => importCustomers(db, [pick(customers, number)], actor, { anew: true }),
  (number) => detachCustomer(db, { entraTenantId: pick(customers, number), defaultClientId: app, actor }),
  (number) => stopSyncing(db, { entraTenantId: pick(customers, number), actor, purge: false, detail: {} }),
  () => setDefaultLevel(db, { entraTenantId: partner, actor }),
  async () => {
    await sql`update entra_tenants set next_sync_at = now()`.execute(db)
    await runTick({ db, queues, intervals: { syncMs: 1000, discoveryMs: 1000 }, defaultClientId: app })
  },
  ...[0, 3, 100].map((answers) => (number: number) => {
    const context = { db, graph: graphThatTires(answers), log }
    return proveConsent(context, pick(customers, number), { expectSoon: number % 2 === 0 })
  }),
  ...[0, 1, 2, 3].map((shift) => (number: number) => {
    const people = [1, 2, 3, 4, 5, 6].map((person) =>
      user(person, { userPrincipalName: `u${person}@${pick(domains, person + number + shift)}` }),
    )
    const page = number % 7 === 0 ? consentGone : people
    const id = pick(customers, number + shift)
    return syncOnce(scriptedContext(db, new Script(id).round('users', page).round('skus', [sku(1)])), id)
  }),
]

function pick<T>(some: readonly T[], number: number): T {
  const one = some[number % some.length]
  if (one === undefined) throw new RangeError('nothing to pick')
  return one
}

test('operators, proofs, the tick and runs at once: nobody waits in a circle, everybody is where the links say', async () => {
  const refused: unknown[] = []
  let next = 0
  const work = async (): Promise<void> => {
    while (next < 600) {
      const number = next++
      // A stride that has nothing in common with the number of happenings meets all neighbours in time.
      await pick(
        happenings,
        number * 7 + Math.floor(number / 15),
      )(number).catch((error: unknown) => {
        if (!isEntraSyncError(error, 'input')) refused.push(error)
      })
    }
  }
  await Promise.all(Array.from({ length: 8 }, work))
  expect(refused).toEqual([])
  const { rows } = await sql`
    select p.user_principal_name from persons p
    left join tenant_links d on d.entra_tenant_id = p.entra_tenant_id
      and d.domain = lower(split_part(p.user_principal_name, '@', 2))
    left join tenant_links f on f.entra_tenant_id = p.entra_tenant_id and f.domain is null
    where p.tenant_id is distinct from coalesce(d.tenant_id, f.tenant_id)`.execute(db)
  expect(rows).toEqual([])
  const deadlocks = await sql<{ deadlocks: number }>`
    select deadlocks::int from pg_stat_database where datname = current_database()`.execute(db)
  expect(deadlocks.rows).toEqual([{ deadlocks: 0 }])
})
