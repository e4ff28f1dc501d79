/**
 * `npm run bench:targets`: resolution of one large tenant and of many small ones, whole and after small changes, beside
 * the obvious loop over persons, in one run on one machine. Writes its part of bench/RESULTS.md.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { Kysely, PostgresDialect, sql } from 'kysely'
import pg from 'pg'
import { startEmbeddedPostgres } from '../../src/db/embedded-postgres.ts'
import { migrate } from '../../src/db/migrate.ts'
import type { Database } from '../../src/db/tables.ts'
import { createLog } from '../../src/log.ts'
import { resolveTargets } from '../../src/targets/resolve.ts'
import { resolveOneByOne } from './loop.ts'
import { manyTenants, oneLargeTenant } from './worlds.ts'

interface Figures {
  what: string
  seconds: number
  changes: number
  /** Peak resident memory of the Postgres backend so far. */
  backendMb: number
}

/** How many persons the loop goes through: all of them would take the better part of an hour. */
const loopPersons = Number(process.env['BENCH_LOOP'] ?? 500)
const scale = Number(process.env['BENCH_SCALE'] ?? 1)

const parts: string[] = [
  `${new Date().toISOString().slice(0, 10)}, Node ${process.versions.node}, ${cpus().length} cores (${cpus()[0]?.model ?? 'unknown'}), Postgres 18 on the same machine, its own default settings.`,
]
await measure(
  'One tenant: 100,000 persons, 5,000 groups (a million memberships, nested to depth 5), 200 deployments',
  oneLargeTenant,
)
await measure('1,000 tenants of 200 persons each, 100 cross-tenant deployments', manyTenants)
parts.push(
  '',
  `Peak memory of this process: ${Math.round(process.resourceUsage().maxRSS / 1024)} MB; no row of a target comes here.`,
)
await writeResults()

async function measure(
  title: string,
  fill: (db: Kysely<Database>, scale: number) => Promise<void>,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'entra-sync-bench-'))
  const server = await startEmbeddedPostgres({ dataDir: folder, ephemeral: true })
  const plans: string[] = []
  try {
    await migrate(server.url)
    const db = open(server.url, plans)
    await fill(db, scale)
    const context = {
      db,
      guard: { holdMin: 1_000_000, holdPercent: 100, holdMax: 10_000_000 },
      licenseGraceMs: 30 * 86_400_000,
      log: createLog({ level: 'warn', pretty: false }),
    }
    const figures: Figures[] = []
    const pass = async (what: string, change?: () => Promise<unknown>): Promise<void> => {
      await change?.()
      const started = performance.now()
      const done = await resolveTargets(context, { trigger: 'bench' })
      const seconds = (performance.now() - started) / 1000
      if (done.failed.length > 0) throw done.failed[0]?.error ?? new Error('failed')
      const changes = done.assigned + done.changed + done.unassigned
      figures.push({ what, seconds, changes, backendMb: await backendMemory(db) })
      process.stdout.write(`${title}: ${what}: ${seconds.toFixed(2)} s, ${changes} changes\n`)
    }
    await pass('first: everything is new')
    await sql`analyze`.execute(db)
    const dirtyAll = () =>
      sql`insert into target_dirt (family_id, kind) select distinct family_id, 'all' from tenant_families`.execute(
        db,
      )
    await pass('whole again: nothing has changed', dirtyAll)
    // Once more for its plan: EXPLAIN ANALYZE slows what it looks at.
    await dirtyAll()
    await sql`set auto_explain.log_min_duration = 300`.execute(db)
    await resolveTargets(context, { trigger: 'bench' })
    await sql`set auto_explain.log_min_duration = -1`.execute(db)
    const plan = plans.find((text) => text.includes('insert into resolving_wanted'))
    for (const turn of ['', ', once more'])
      await pass(`100 memberships gone${turn}`, () =>
        sql`delete from group_members where ctid = any (array(
          select ctid from group_members tablesample bernoulli (2) where member_type = 'user' limit 100))`.execute(
          db,
        ),
      )
    await pass('one deployment changed', () =>
      sql`update deployments set version = '9' where name = 'Deployment 3'`.execute(db),
    )
    const loop = await measureLoop(db)
    await db.destroy()
    const persons = figures[1] === undefined ? 0 : Math.round(loop.all / figures[1].seconds)
    parts.push(
      '',
      `**${title}**`,
      '',
      '| pass | time | changes of targets | peak memory of the Postgres backend |',
      '|---|---:|---:|---:|',
    )
    for (const { what, seconds, changes, backendMb } of figures)
      parts.push(`| ${what} | ${seconds.toFixed(2)} s | ${changes.toLocaleString('en')} | ${backendMb} MB |`)
    parts.push(
      '',
      `The obvious loop (three queries a person, a statement a target), first pass over ${loopPersons.toLocaleString('en')} of them: ${loop.first.toFixed(1)} s, ` +
        `again with nothing changed ${loop.again.toFixed(1)} s: ${Math.round(loopPersons / loop.again).toLocaleString('en')} persons a second, against ${persons.toLocaleString('en')} a second set-based.`,
    )
    if (plan !== undefined)
      parts.push(
        '',
        '<details><summary>Plan of the winners of the whole pass (EXPLAIN ANALYZE)</summary>',
        '',
        '```',
        shorten(plan),
        '```',
        '',
        '</details>',
      )
  } finally {
    await server.stop()
    await rm(folder, { recursive: true, force: true })
  }
}

/** As the daemon's connections, and plans can be asked for. */
function open(url: string, plans: string[]): Kysely<Database> {
  const types = new pg.TypeOverrides()
  types.setTypeParser(20, Number)
  const pool = new pg.Pool({ connectionString: url, max: 1, options: '-c search_path=entra_sync', types })
  // The server is stopped at the end, and says so on a connection that is just closing.
  pool.on('error', () => {})
  pool.on('connect', (client) => {
    client.on('error', () => {})
    client.on('notice', ({ message = '' }) => plans.push(message))
    void client.query(
      `load 'auto_explain'; set auto_explain.log_analyze = on;
       set auto_explain.log_timing = off; set auto_explain.log_level = warning`,
    )
  })
  return new Kysely<Database>({ dialect: new PostgresDialect({ pool }) })
}

async function backendMemory(db: Kysely<Database>): Promise<number> {
  const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(db)
  const status = await readFile(`/proc/${rows[0]?.pid}/status`, 'utf8').catch(() => '')
  return Math.round(Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024)
}

async function measureLoop(db: Kysely<Database>): Promise<{ first: number; again: number; all: number }> {
  await sql`create table loop_targets (tenant_id uuid, subject_id uuid, item_id uuid, deployment_id uuid, primary key (subject_id, item_id))`.execute(
    db,
  )
  const { rows } = await sql<{ id: string; persons: number; all: number }>`
    select entra_tenant_id as id, count(*) as persons, (select count(*) from persons) as all from persons group by 1 order by 1`.execute(
    db,
  )
  const turn = async (): Promise<number> => {
    const started = performance.now()
    let left = loopPersons
    for (const { id, persons } of rows) {
      if (left <= 0) break
      await resolveOneByOne(db, id, Math.min(left, persons))
      left -= persons
    }
    return (performance.now() - started) / 1000
  }
  return { first: await turn(), again: await turn(), all: rows[0]?.all ?? 0 }
}

function shorten(plan: string): string {
  return plan
    .slice(plan.indexOf('Insert on'))
    .split('\n')
    .filter((line) => /->|Insert|Hash Cond|Sort Method/.test(line))
    .slice(0, 40)
    .map((line) => line.replaceAll(/\(cost=[^)]*\) /g, '').slice(0, 150))
    .join('\n')
}

async function writeResults(): Promise<void> {
  const file = new URL('../RESULTS.md', import.meta.url)
  const text = await readFile(file, 'utf8')
  await writeFile(
    file,
    text.replace(/(<!-- targets -->)[\s\S]*(<!-- targets end -->)/, `$1\n${parts.join('\n')}\n$2`),
  )
}
