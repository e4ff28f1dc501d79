import { sql, type Kysely } from 'kysely'
import type { Database } from '../../db/tables.ts'
import { number } from '../text.ts'
import { fail, ok, warn, type Finding } from './finding.ts'

const largestSkewMs = 2000
const oldestPostgres = 150_000

/** What `doctor` says of the database's version and clock. Throws where it does not answer. */
export async function checkDatabase(db: Kysely<Database>, embedded: boolean): Promise<Finding[]> {
  return [await version(db), await clock(db), ...(embedded ? [] : await rights(db))]
}

async function version(db: Kysely<Database>): Promise<Finding> {
  const { rows } = await sql<{ text: string; number: number }>`
    select current_setting('server_version') as text, current_setting('server_version_num')::int as number`.execute(
    db,
  )
  const { text = '?', number: found = 0 } = rows[0] ?? {}
  if (found >= oldestPostgres) return ok('database', `PostgreSQL ${text}`)
  return fail('database', `PostgreSQL ${text} is too old`, 'Use PostgreSQL 15 or newer.')
}

/** A stolen connection string should open rows, not the server; the embedded database is ours alone. */
async function rights(db: Kysely<Database>): Promise<Finding[]> {
  const { rows } = await sql<{ role: string; superuser: boolean; owner: boolean }>`
    select current_user as role, r.rolsuper as superuser, n.nspowner = r.oid as owner
    from pg_roles r left join pg_namespace n on n.nspname = 'entra_sync' where r.rolname = current_user`.execute(
    db,
  )
  const [found] = rows
  if (found === undefined || (!found.superuser && !found.owner)) return []
  const why = found.superuser ? 'is a superuser' : 'owns the schema'
  return [
    warn(
      'database role',
      `${found.role} ${why}: more rights than it needs`,
      'Give the daemon a role of its own: deploy/postgres-roles.sql makes one, and those of migrator and readers.',
    ),
  ]
}

/** Leases and due times count by the database's clock, token life times by this machine's. */
async function clock(db: Kysely<Database>): Promise<Finding> {
  const before = Date.now()
  const { rows } = await sql<{ now: Date }>`select clock_timestamp() as now`.execute(db)
  const middle = (before + Date.now()) / 2
  const skew = Math.round(Math.abs((rows[0]?.now.getTime() ?? middle) - middle))
  const detail = `this machine and Postgres differ by ${number(skew)} ms`
  if (skew <= largestSkewMs) return ok('clock', detail)
  return warn('clock', detail, 'Have both machines set their clocks by NTP.')
}
