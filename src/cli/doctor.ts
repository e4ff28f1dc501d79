import { sql, type Kysely } from 'kysely'
import { openDatabase } from '../db/connection.ts'
import { assertSchema } from '../db/migrate.ts'
import type { Database } from '../db/tables.ts'
import { readOrganization } from '../graph/organization.ts'
import { withDatabaseUrl, withQueues, type CommandContext } from './context.ts'
import { checkCredentials } from './doctor-secrets.ts'
import { explainFailure } from './failure.ts'
import { readEvictionPolicy } from './redis-eviction.ts'
import { withGraph } from './graph.ts'
import { number, printable } from './text.ts'

type Verdict = 'ok' | 'warn' | 'fail'

export interface Finding {
  check: string
  verdict: Verdict
  detail: string
  remedy?: string
}

const largestSkewMs = 2000
const oldestPostgres = 150_000

/** `doctor`: tries what the daemon needs, one line each; exit code 1 when something fails. */
export async function doctor(context: CommandContext): Promise<number> {
  const { output } = context
  const findings: Finding[] = []
  const tell = (finding: Finding): void => {
    findings.push(finding)
    output.line(`${finding.verdict.padEnd(4)}  ${finding.check}: ${printable(finding.detail)}`)
    if (finding.remedy !== undefined && finding.verdict !== 'ok')
      output.line(`      ${printable(finding.remedy)}`)
  }
  const attempt = async (check: string, run: () => Promise<Finding | Finding[] | void>): Promise<boolean> => {
    try {
      const found = await run()
      for (const finding of found === undefined ? [] : [found].flat()) tell(finding)
      return true
    } catch (error) {
      const { message, remedy } = explainFailure(error).document
      tell({ check, verdict: 'fail', detail: message, ...(remedy !== undefined && { remedy }) })
      return false
    }
  }

  tell(configuration(context))
  await attempt('database', () =>
    withDatabaseUrl(context, async (url) => {
      const db = openDatabase(url, { max: 2, applicationName: 'entra-sync doctor' })
      try {
        const reached = await attempt('database', async () => [await version(db), await clock(db)])
        await attempt('queue', () => queue(context, url))
        if (!reached) return
        const current = await attempt('schema', async () => {
          await assertSchema(db)
          return ok('schema', 'the one this version knows')
        })
        if (current) await attempt('secrets', () => checkCredentials(context.config, db))
        const partners = current ? await readSignIns(db) : []
        if (current && partners.length === 0) tell(noTenant)
        for (const partner of partners)
          await attempt(`sign-in to ${partner.name}`, () => signIn(context, db, partner))
      } finally {
        await db.destroy()
      }
    }),
  )
  const failed = findings.some(({ verdict }) => verdict === 'fail')
  output.document({ ok: !failed, findings })
  return failed ? 1 : 0
}

const ok = (check: string, detail: string): Finding => ({ check, verdict: 'ok', detail })

const noTenant: Finding = {
  check: 'sign-in',
  verdict: 'warn',
  detail: 'no tenant yet',
  remedy: 'Run entra-sync init --name NAME --entra-tenant ID.',
}

function configuration({ config }: CommandContext): Finding {
  const { cloud, defaultApp, databaseUrl } = config
  const database = databaseUrl === null ? `embedded database in ${config.dataDir}` : 'database of your own'
  if (defaultApp === null) return ok('configuration', `cloud ${cloud.name}, no Default app, ${database}`)
  const proof = 'certificate' in defaultApp ? 'certificate' : 'secret'
  return ok(
    'configuration',
    `cloud ${cloud.name}, Default app ${defaultApp.clientId} with a ${proof}, ${database}`,
  )
}

async function version(db: Kysely<Database>): Promise<Finding> {
  const { rows } = await sql<{ text: string; number: number }>`
    select current_setting('server_version') as text, current_setting('server_version_num')::int as number`.execute(
    db,
  )
  const { text = '?', number: found = 0 } = rows[0] ?? {}
  if (found >= oldestPostgres) return ok('database', `PostgreSQL ${text}`)
  const remedy = 'Use PostgreSQL 15 or newer.'
  return { check: 'database', verdict: 'fail', detail: `PostgreSQL ${text} is too old`, remedy }
}

/** Leases and due times count by the database's clock, token life times by this machine's. */
async function clock(db: Kysely<Database>): Promise<Finding> {
  const before = Date.now()
  const { rows } = await sql<{ now: Date }>`select clock_timestamp() as now`.execute(db)
  const middle = (before + Date.now()) / 2
  const skew = Math.round(Math.abs((rows[0]?.now.getTime() ?? middle) - middle))
  const detail = `this machine and Postgres differ by ${number(skew)} ms`
  if (skew <= largestSkewMs) return ok('clock', detail)
  return { check: 'clock', verdict: 'warn', detail, remedy: 'Have both machines set their clocks by NTP.' }
}

async function queue(context: CommandContext, databaseUrl: string): Promise<Finding[]> {
  return withQueues(context, databaseUrl, async (queues) => {
    await queues.ping()
    const found = [
      ok('queue', `BullMQ on ${queues.backend === 'redis' ? 'Redis' : 'Postgres'} at ${queues.address}`),
    ]
    if (queues.backend === 'redis') found.push(await eviction(context))
    const workers = await queues.sync.getWorkersCount()
    const remedy = 'Start the daemon: entra-sync run.'
    found.push(
      workers > 0
        ? ok('workers', `${workers} connected`)
        : { check: 'workers', verdict: 'warn', detail: 'none is connected', remedy },
    )
    return found
  })
}

async function eviction({ config }: CommandContext): Promise<Finding> {
  const policy = await readEvictionPolicy(config.queueUrl ?? '')
  if (policy === 'noeviction') return ok('eviction', 'Redis keeps every key')
  return {
    check: 'eviction',
    verdict: 'fail',
    detail: `Redis may drop jobs when memory is short: maxmemory-policy is ${policy}`,
    remedy: 'Set maxmemory-policy noeviction in redis.conf.',
  }
}

interface SignIn {
  entraTenantId: string
  name: string
}

/** The partners' Entra tenants, or with none of them the linked ones that no partner reaches. */
async function readSignIns(db: Kysely<Database>): Promise<SignIn[]> {
  const { rows } = await sql<SignIn>`
    select entra_tenant_id as "entraTenantId", coalesce(display_name, default_domain, entra_tenant_id::text) as name
    from entra_sync.tenant_status where kind in ('partner', 'standalone') and state <> 'gone' order by kind, 2`.execute(
    db,
  )
  return rows
}

/** A token proves login and credential, /organization proves consent and that the right directory answers. */
async function signIn(
  context: CommandContext,
  db: Kysely<Database>,
  { entraTenantId, name }: SignIn,
): Promise<Finding> {
  return withGraph(context, db, async (graph) => {
    const client = graph.forTenant(entraTenantId)
    const organization = await readOrganization(client, { signal: context.signal })
    const check = `sign-in to ${name}`
    if (organization.id.toLowerCase() !== entraTenantId.toLowerCase()) {
      const remedy =
        'Check LOGIN_URL and GRAPH_URL: they belong to different clouds or a proxy mixes them up.'
      return { check, verdict: 'fail', detail: `Graph answered as ${organization.id}`, remedy }
    }
    return ok(check, `Graph answers as ${organization.displayName ?? organization.id}`)
  })
}
