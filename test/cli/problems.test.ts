import { sql } from 'kysely'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { closeProblems, openProblem } from '../../src/db/problems.ts'
import { testDatabase, type TestDatabase } from '../harness/database.ts'
import { runCommand } from './run-command.ts'

const contoso = '11111111-0000-4000-8000-000000000001'
const fabrikam = '11111111-0000-4000-8000-000000000002'
let database: TestDatabase
let env: Record<string, string>

beforeAll(async () => {
  database = await testDatabase()
  env = { DATABASE_URL: database.url }
  await sql`insert into entra_sync.entra_tenants (entra_tenant_id, display_name)
    values (${contoso}, 'Contoso'), (${fabrikam}, 'Fabrikam')`.execute(database.db)
})
afterAll(() => database.drop())
beforeEach(async () => {
  await sql`delete from entra_sync.problems`.execute(database.db)
  await sql`delete from entra_sync.problem_silences`.execute(database.db)
  await sql`delete from entra_sync.audit_log`.execute(database.db)
  const facts = { message: 'No consent.', remedy: 'Send the link.', whoActs: 'customer_admin' } as const
  const consent = { ...facts, code: 'consent_required', topic: 'access' }
  await openProblem(database.db, contoso, consent)
  await openProblem(database.db, fabrikam, consent)
  await openProblem(database.db, fabrikam, { ...facts, code: 'drift_users', topic: 'drift_users' })
})

interface Listed {
  problems: { name: string; code: string; silenced: boolean; closed_at: string | null }[]
  silences: { code: string | null; name: string | null; reason: string; problems: number }[]
}

async function listed(...args: string[]): Promise<Listed> {
  const { code, stdout } = await runCommand(['problems', 'list', '--json', ...args], env)
  expect(code).toBe(0)
  return JSON.parse(stdout) as Listed
}

async function counts(): Promise<unknown> {
  const { rows } = await sql`select display_name as name, state, problems, problems_silenced as silenced
    from entra_sync.tenant_status order by 1`.execute(database.db)
  return rows
}

const marks = ({ problems }: Listed) =>
  problems.map((one) => `${one.name} ${one.code} ${one.silenced}`).sort()

test('problems list tells tenant, code, since when, who acts and what to do', async () => {
  await sql`update entra_sync.problems set opened_at = now() - interval '3 hours'
    where entra_tenant_id = ${contoso}`.execute(database.db)
  const { code, stdout } = await runCommand(['problems'], env)
  expect(code).toBe(0)
  expect(stdout).toMatch(
    /^Contoso +consent_required +\d{4}-\d\d-\d\d \d\d:\d\d \(3 h\) +customer's admin +open$/m,
  )
  expect(stdout).toMatch(/^ {4}No consent\.\n {4}Send the link\.$/m)
})

test('one that closed is told with --all only; said again it is opened once', async () => {
  await openProblem(database.db, contoso, {
    code: 'consent_required',
    message: 'Still none.',
    remedy: 'r',
    whoActs: 'customer_admin',
    topic: 'access',
  })
  expect((await listed('--tenant', 'contoso')).problems).toMatchObject([{ message: 'Still none.' }])
  await closeProblems(database.db, contoso, ['access'])
  expect((await listed('--tenant', contoso)).problems).toEqual([])
  expect((await listed('--all')).problems).toHaveLength(3)
  expect((await listed()).problems).toHaveLength(2)
})

test.each([
  ['a code', ['consent_required'], ['Contoso consent_required', 'Fabrikam consent_required']],
  ['an Entra tenant', ['--tenant', 'Fabrikam'], ['Fabrikam consent_required', 'Fabrikam drift_users']],
  ['both', ['consent_required', '--tenant', fabrikam], ['Fabrikam consent_required']],
])('silenced by %s: listed with a mark, not counted, and back again', async (_what, key, expected) => {
  const before = await counts()
  const done = await runCommand(['problems', 'silence', ...key, '--reason', 'known', '--json'], env)
  expect(done.code).toBe(0)
  expect(JSON.parse(done.stdout)).toMatchObject({ openProblems: expected.length, reason: 'known' })
  const all = await listed()
  expect(all.problems).toHaveLength(3)
  expect(marks({ ...all, problems: all.problems.filter((one) => one.silenced) })).toEqual(
    expected.map((one) => `${one} true`),
  )
  expect(all.silences).toMatchObject([{ reason: 'known', problems: expected.length }])
  const counted = (await counts()) as { problems: number; silenced: number }[]
  expect(counted.reduce((sum, row) => sum + row.problems, 0)).toBe(3 - expected.length)
  expect(counted.reduce((sum, row) => sum + row.silenced, 0)).toBe(expected.length)
  expect((await runCommand(['problems', 'unsilence', ...key], env)).code).toBe(0)
  expect(await counts()).toEqual(before)
  const { rows } = await sql<{ action: string; detail: object; actor: string }>`
    select action, detail, actor from entra_sync.audit_log order by audit_id`.execute(database.db)
  expect(rows).toMatchObject([
    { action: 'problems_silenced', detail: { reason: 'known' } },
    { action: 'problems_unsilenced' },
  ])
  expect(rows[0]?.actor).toMatch(/^command \(/)
})

test('a silence ends at its time, and a second one of the same key replaces the first', async () => {
  const silence = (...more: string[]) =>
    runCommand(['problems', 'silence', 'drift_users', ...more, '--json'], env)
  expect((await silence('--until', '2099-06-30', '--reason', 'one')).code).toBe(0)
  expect((await silence('--until', '2098-06-30', '--reason', 'two')).code).toBe(0)
  expect((await listed()).silences).toMatchObject([
    { code: 'drift_users', name: null, reason: 'two', expires_at: '2098-06-30T23:59:59.000Z' },
  ])
  await sql`update entra_sync.problem_silences set expires_at = now() - interval '1 s'`.execute(database.db)
  const after = await listed()
  expect(after.silences).toEqual([])
  expect(after.problems.some(({ silenced }) => silenced)).toBe(false)
})

test('status tells silenced ones apart', async () => {
  await runCommand(['problems', 'silence', 'drift_users'], env)
  const { stdout } = await runCommand(['status', 'fabrikam'], env)
  expect(stdout).toMatch(/Open problems: 1\n {2}Fabrikam: No consent\./)
  expect(stdout).toMatch(/Silenced problems: 1\n {2}Fabrikam: drift_users, for /)
})

describe('wrong use', () => {
  test.each([
    [['problems', 'silence'], /give a code, --tenant, or both/],
    [['problems', 'unsilence'], /give a code, --tenant, or both/],
    [['problems', 'silence', 'x', '--until', 'tomorrow'], /Write it as/],
    [['problems', 'silence', 'x', '--until', '2020-01-01'], /It has passed/],
  ])('%j', async (args, words) => {
    expect(await runCommand(args, env)).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(words) as string,
    })
  })

  test('a silence that is not there, and an Entra tenant that is not', async () => {
    const gone = await runCommand(['problems', 'unsilence', 'consent_required'], env)
    expect(gone).toMatchObject({ code: 1, stderr: expect.stringMatching(/problems list/) as string })
    const nobody = await runCommand(['problems', 'silence', '--tenant', 'nobody', '--json'], env)
    expect(JSON.parse(nobody.stdout)).toMatchObject({ error: { code: 'tenant_unknown' } })
  })
})

describe('errors', () => {
  const own = {
    PUBLIC_URL: 'https://sync.example.com',
    DEFAULT_APP_CLIENT_ID: '22222222-0000-4000-8000-000000000001',
    DEFAULT_APP_CLIENT_SECRET: 'secret-of-the-test',
  }

  test('one entry with the redirect URI of this installation, without a database', async () => {
    const { code, stdout } = await runCommand(['errors', 'aadsts500113'], own)
    expect(code).toBe(0)
    expect(stdout).toMatch(/^redirect_uri_missing \(AADSTS500113\)$/m)
    expect(stdout).toContain('paste https://sync.example.com/consent-callback and save')
    expect(stdout).toContain('app 22222222-0000-4000-8000-000000000001 > Authentication')
  })

  test('the whole catalogue, and --json as one document', async () => {
    const table = await runCommand(['errors'], own)
    expect(table.stdout).toMatch(
      /^authorization_request_denied +customer's admin .* Authorization_RequestDenied$/m,
    )
    const document = JSON.parse((await runCommand(['errors', '--json'], own)).stdout) as { entries: object[] }
    expect(document.entries.length).toBeGreaterThan(60)
    expect(JSON.stringify(document)).not.toMatch(/[{](redirectUri|clientId|tenant)[}]/)
  })

  test('an unknown one is said to be unknown, exit code 2', async () => {
    const { code, stdout, stderr } = await runCommand(['errors', 'AADSTS4711\u001B[2J', '--json'], own)
    expect(code).toBe(2)
    expect(stderr).toMatch(/No error is known as "AADSTS4711"\..*entra-sync errors/)
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'error_unknown' } })
  })
})
