/**
 * `npm run bench`: a full and a no-change sync of one tenant, ours beside the baseline, at 0 and 80 ms of simulated
 * latency, in one run on one machine. Writes the tables between the markers of bench/RESULTS.md.
 */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import pg from 'pg'
import { startEmbeddedPostgres } from '../src/db/embedded-postgres.ts'
import { migrate } from '../src/db/migrate.ts'

interface Cloud {
  origin: string
  controlUrl: string
  caFile: string
  clientId: string
  clientSecret: string
  partnerTenantId: string
}

interface Figures {
  what: string
  engine: string
  latency: number
  seconds: number
  requests: number
  rows: number
  megabytes: number
}

const run = promisify(execFile)
const sizes = [10_000, 40_000]
const groups = 500
const latencies = [0, 80]
const engines = ['entra-sync', 'baseline'] as const

const figures: { users: number; table: Figures[] }[] = []
for (const users of sizes) {
  const table: Figures[] = []
  for (const latency of latencies) {
    for (const engine of engines) {
      // The baseline at the larger size takes minutes and tells nothing new.
      if (engine === 'baseline' && users !== sizes[0]) continue
      table.push(...(await measure(engine, users, latency)))
    }
  }
  figures.push({ users, table })
}
await writeResults()

/** A cloud and a database of its own for each: nobody profits from another's warm cache. */
async function measure(engine: string, users: number, latency: number): Promise<Figures[]> {
  const folder = await mkdtemp(join(tmpdir(), 'entra-sync-bench-'))
  const argv = [
    'simulator/main.ts',
    '--lifeline',
    '--customers',
    '0',
    '--users',
    String(users),
    '--groups',
    String(groups),
    '--latency',
    String(latency),
  ]
  const simulator = spawn(process.execPath, argv, { stdio: ['pipe', 'pipe', 'inherit'] })
  const [line] = (await once(createInterface({ input: simulator.stdout }), 'line')) as [string]
  const cloud = JSON.parse(line) as Cloud
  const postgres = await startEmbeddedPostgres({ dataDir: folder, ephemeral: true })
  try {
    await migrate(postgres.url)
    const target = JSON.stringify({
      ...cloud,
      entraTenantId: cloud.partnerTenantId,
      databaseUrl: postgres.url,
    })
    const env = { ...process.env, BENCH_TARGET: target, NODE_EXTRA_CA_CERTS: cloud.caFile }
    // Fills the directory, so that no pass pays for making it.
    await fetch(`${cloud.controlUrl}/truth/${cloud.partnerTenantId}`).then((answer) => answer.arrayBuffer())
    const results: Figures[] = []
    for (const what of ['full sync', 'no change']) {
      await fetch(`${cloud.controlUrl}/requests`, { method: 'DELETE' })
      const { stdout } = await run(process.execPath, ['bench/measure.ts', engine], { env })
      const { seconds, megabytes } = JSON.parse(stdout) as { seconds: number; megabytes: number }
      const { kinds } = (await (await fetch(`${cloud.controlUrl}/requests`)).json()) as {
        kinds: Record<string, number>
      }
      const requests = Object.entries(kinds)
        .filter(([kind]) => !/oauth2|openid|discovery/.test(kind))
        .reduce((sum, [, count]) => sum + count, 0)
      const rows = await countRows(postgres.url, engine)
      results.push({ what, engine, latency, seconds, requests, rows, megabytes })
      process.stdout.write(
        `${users} users, ${latency} ms, ${engine}, ${what}: ${seconds.toFixed(2)} s, ${requests} requests, ${rows} rows, ${Math.round(megabytes)} MB\n`,
      )
    }
    return results
  } finally {
    await postgres.stop()
    simulator.stdin.end()
    await once(simulator, 'exit')
    await rm(folder, { recursive: true, force: true })
  }
}

async function countRows(url: string, engine: string): Promise<number> {
  const tables =
    engine === 'baseline'
      ? ['baseline.users', 'baseline.licenses', 'baseline.groups', 'baseline.members', 'baseline.skus']
      : [
          'persons',
          'person_licenses',
          'person_license_sources',
          'groups',
          'group_members',
          'subscribed_skus',
          'sku_service_plans',
          'devices',
        ].map((table) => `entra_sync.${table}`)
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    const { rows } = await client.query<{ n: string }>(
      `select ${tables.map((table) => `(select count(*) from ${table})`).join(' + ')} as n`,
    )
    return Number(rows[0]?.n)
  } finally {
    await client.end()
  }
}

async function writeResults(): Promise<void> {
  const parts = [
    `${new Date().toISOString().slice(0, 10)}, Node ${process.versions.node}, ${cpus().length} cores (${cpus()[0]?.model ?? 'unknown'}), simulated cloud and Postgres 18 on the same machine.`,
  ]
  for (const { users, table } of figures) {
    parts.push('', `**${users.toLocaleString('en')} users, ${groups} groups**`, '')
    parts.push(
      '| pass | latency | engine | time | Graph requests | rows in the tables | rows/s | peak memory |',
      '|---|---|---|---:|---:|---:|---:|---:|',
    )
    for (const { what, latency, engine, seconds, requests, rows, megabytes } of table) {
      const speed = Math.round(rows / seconds).toLocaleString('en')
      parts.push(
        `| ${what} | ${latency} ms | ${engine} | ${seconds.toFixed(2)} s | ${requests} | ${rows.toLocaleString('en')} | ${speed} | ${Math.round(megabytes)} MB |`,
      )
    }
  }
  const file = new URL('RESULTS.md', import.meta.url)
  const text = await readFile(file, 'utf8')
  await writeFile(
    file,
    text.replace(/(<!-- figures -->)[\s\S]*(<!-- end -->)/, `$1\n${parts.join('\n')}\n$2`),
  )
}
