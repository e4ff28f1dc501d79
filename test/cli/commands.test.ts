import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { emptyDatabase, testDatabase, type TestDatabase } from '../harness/database.ts'
import { redisUrl } from '../harness/redis.ts'
import { runCommand } from './run-command.ts'

const contoso = '11111111-0000-4000-8000-000000000001'
const twinOne = '11111111-0000-4000-8000-000000000002'
const twinTwo = '11111111-0000-4000-8000-000000000003'
let database: TestDatabase
let env: Record<string, string>

beforeAll(async () => {
  database = await testDatabase()
  env = { DATABASE_URL: database.url }
  await sql`insert into entra_sync.entra_tenants (entra_tenant_id, display_name, default_domain, domains, last_synced_at)
    values
      (${contoso}, 'Contoso ' || chr(27) || '[31mLtd', 'contoso.com', '{contoso.com,contoso.onmicrosoft.com}', now() - interval '90 s'),
      (${twinOne}, 'Twin', 'one.example', '{one.example}', null),
      (${twinTwo}, 'Twin', 'two.example', '{two.example}', null)`.execute(database.db)
  await sql`with made as (
      insert into entra_sync.tenants (name, slug) values ('Contoso at ImmyBot', 'contoso-slug') returning tenant_id)
    insert into entra_sync.tenant_links (tenant_id, entra_tenant_id) select tenant_id, ${contoso} from made`.execute(
    database.db,
  )
  await sql`insert into entra_sync.problems (entra_tenant_id, code, message, remedy, who_acts, request_id)
    values (${twinOne}, 'consent_missing', 'No consent.', 'Send the consent link.', 'customer_admin', 'r-17')`.execute(
    database.db,
  )
  await sql`insert into entra_sync.holds (entra_tenant_id, kind, reason, size, of_total)
    values (${contoso}, 'person', 'more than 10 % of 80', 12, 80)`.execute(database.db)
})
afterAll(() => database.drop())

describe('status', () => {
  test('a table with problems, remedies and holds; what a name tries is not printed', async () => {
    const { code, stdout, stderr } = await runCommand(['status'], env)
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(/^Entra tenant +Kind +State +Synced/)
    expect(stdout).toMatch(/^Contoso Ltd +standalone +held +1 min ago/m)
    expect(stdout).toMatch(/Twin: No consent\. \[consent_missing.*r-17/)
    expect(stdout).toMatch(/customer's admin: Send the consent link\./)
    expect(stdout).toMatch(/Contoso Ltd +person +12 of 80 .*more than 10 % of 80/)
    expect(stdout).not.toContain('\u001B')
  })

  test('--json is one document', async () => {
    const { code, stdout } = await runCommand(['status', '--json'], env)
    const document = JSON.parse(stdout) as { tenants: object[]; problems: object[]; holds: object[] }
    expect(code).toBe(0)
    expect(document.tenants).toHaveLength(3)
    expect(document.problems).toMatchObject([{ code: 'consent_missing' }])
    expect(document.holds).toMatchObject([{ size: 12, of_total: 80 }])
  })

  test.each([
    ['its id', contoso.toUpperCase()],
    ['a domain', 'Contoso.OnMicrosoft.com'],
    ['the slug of its tenant', 'contoso-slug'],
    ['the name of its tenant', 'contoso at immybot'],
  ])('one Entra tenant by %s', async (_how, id) => {
    const { code, stdout } = await runCommand(['status', id, '--json'], env)
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({
      entra_tenant_id: contoso,
      state: 'held',
      problems: [],
      holds: [{}],
    })
  })

  test('a name that two have, and one that none has', async () => {
    const twins = await runCommand(['status', 'twin'], env)
    expect(twins).toMatchObject({ code: 1, stdout: '' })
    expect(twins.stderr).toMatch(new RegExp(`more than one.*${twinOne}.*${twinTwo}.*Use the id`))
    const nobody = await runCommand(['status', '\u001B[2Jnobody', '--json'], env)
    expect(nobody.code).toBe(1)
    expect(JSON.parse(nobody.stdout)).toMatchObject({ error: { kind: 'input', code: 'tenant_unknown' } })
    expect(nobody.stderr).not.toContain('\u001B')
  })
})

test('pause and resume, twice each, and who did it', async () => {
  const state = async () =>
    (
      await sql<{ state: string }>`select state from entra_sync.tenant_status
    where entra_tenant_id = ${twinTwo}`.execute(database.db)
    ).rows[0]?.state
  for (let count = 0; count < 2; count++) expect((await runCommand(['pause', twinTwo], env)).code).toBe(0)
  expect(await state()).toBe('paused')
  const refused = await runCommand(['sync', twinTwo], env)
  expect(refused.code).toBe(1)
  expect(refused.stderr).toMatch(/Twin is not scheduled.*paused.*entra-sync resume/)
  for (let count = 0; count < 2; count++) expect((await runCommand(['resume', twinTwo], env)).code).toBe(0)
  expect(await state()).toBe('new')
  await sql`insert into entra_sync.consents (entra_tenant_id, app_id) values (${twinTwo}, gen_random_uuid())`.execute(
    database.db,
  )
  const unconsented = await runCommand(['sync', twinTwo], env)
  expect(unconsented.code).toBe(1)
  expect(unconsented.stderr).toMatch(/Twin is not scheduled.*consent_required.*entra-sync consent url/)
  const { rows } = await sql<{ action: string }>`select action from entra_sync.audit_log
    where entra_tenant_id = ${twinTwo} order by audit_id`.execute(database.db)
  expect(rows.map(({ action }) => action)).toEqual(['pause', 'pause', 'resume', 'resume'])
})

describe.each([
  ['postgres', () => ({})],
  ['redis', () => ({ QUEUE_URL: redisUrl() })],
])('sync without a worker, queue on %s', (_backend, queue) => {
  test('keeps the request, and says that nobody is there', async () => {
    const { code, stdout, stderr } = await runCommand(['sync', contoso, '--full', '--json'], {
      ...env,
      ...queue(),
    })
    expect(code).toBe(0)
    expect(stderr).toMatch(/No worker is running\..*entra-sync run/)
    const { requested } = JSON.parse(stdout) as { requested: { requestSeq: number }[] }
    const { rows } = await sql<{ seq: number; mode: string }>`select requested_seq as seq, mode
      from entra_sync.sync_requests where entra_tenant_id = ${contoso}`.execute(database.db)
    expect(rows).toEqual([{ seq: requested[0]?.requestSeq, mode: 'full' }])
  })

  test('--wait does not wait for nobody', async () => {
    const { code, stdout, stderr } = await runCommand(['sync', '--all', '--wait', '--json'], {
      ...env,
      ...queue(),
    })
    expect(code).toBe(1)
    expect(stderr).toMatch(/No worker is running/)
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'no_worker' } })
  })
})

test('migrate brings an empty database up, once; other commands say that it is needed', async () => {
  const empty = await emptyDatabase()
  try {
    const before = await runCommand(['status'], { DATABASE_URL: empty.url })
    expect(before.code).toBe(1)
    expect(before.stderr).toMatch(/entra-sync migrate/)
    const first = await runCommand(['migrate', '--json'], { DATABASE_URL: empty.url })
    expect((JSON.parse(first.stdout) as { applied: string[] }).applied.length).toBeGreaterThan(0)
    const second = await runCommand(['migrate', '--json'], { DATABASE_URL: empty.url })
    expect(JSON.parse(second.stdout)).toEqual({ applied: [] })
    expect((await runCommand(['status'], { DATABASE_URL: empty.url })).code).toBe(0)
  } finally {
    await empty.drop()
  }
})

test('doctor tells each check, and fails without an app', async () => {
  const { code, stdout } = await runCommand(['doctor', '--json'], { ...env, QUEUE_URL: redisUrl() })
  const { ok, findings } = JSON.parse(stdout) as {
    ok: boolean
    findings: { check: string; verdict: string }[]
  }
  expect({ code, ok }).toEqual({ code: 1, ok: false })
  const verdicts = Object.fromEntries(findings.map(({ check, verdict }) => [check, verdict]))
  expect(verdicts).toMatchObject({
    configuration: 'ok',
    'Default app': 'fail',
    secrets: 'ok',
    database: 'ok',
    clock: 'ok',
    queue: 'ok',
    eviction: 'ok',
    workers: 'warn',
    schema: 'ok',
  })
})

test('doctor goes on when the queue does not answer, and tells it', async () => {
  const { code, stdout } = await runCommand(['doctor'], { ...env, QUEUE_URL: 'redis://:hunter2@127.0.0.1:1' })
  expect(code).toBe(1)
  expect(stdout).toMatch(/^fail +queue: .*127\.0\.0\.1:1/m)
  expect(stdout).toMatch(/^ok +schema/m)
  expect(stdout).not.toContain('hunter2')
})

test('customers: nothing found yet', async () => {
  expect((await runCommand(['customers', 'list'], env)).stdout).toMatch(/customers discover/)
  const all = await runCommand(['customers', 'import', '--all'], env)
  expect(all.code).toBe(1)
  expect(all.stderr).toMatch(/customers discover/)
  const named = await runCommand(['customers', 'import', 'Fabrikam'], env)
  expect(named).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/no customer that was found/) as string,
  })
})
