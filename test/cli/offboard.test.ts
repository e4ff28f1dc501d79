import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import { expect, onTestFinished, test } from 'vitest'
import { openFilled } from '../consent/offboard/filled.ts'
import { runCommand } from './run-command.ts'

test('told first, done with --yes, taken back by resume, purged; sync and status say what is', async () => {
  const { db, customer, env, cloud } = await openFilled()
  const folder = await mkdtemp(join(tmpdir(), 'entra-sync-offboard-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const run = (...args: string[]) => runCommand(args, env)
  const offboarded = async () =>
    (
      await sql<{
        at: Date | null
      }>`select offboarded_at as at from entra_tenants where entra_tenant_id = ${customer}`.execute(db)
    ).rows[0]?.at
  const archive = join(folder, 'customer.jsonl')

  const told = await run('offboard', customer, '--purge', '--archive', archive)
  expect(told).toMatchObject({ code: 2, stderr: '' })
  expect(told.stdout).toMatch(/This would be done; nothing has been yet/)
  expect(told.stdout).toMatch(/Purge for good: 5 persons/)
  expect(told.stdout).toMatch(/deleted too, 1 persons who can log in to ImmyBot:\n +boss@/)
  expect(told.stdout).toContain(cloud.clientId)
  expect(await offboarded()).toBeNull()

  const done = await run('offboard', customer, '--revoke', '--yes')
  expect(done).toMatchObject({ code: 3, stderr: '' })
  expect(done.stdout).toMatch(/is offboarded\.\n +Stopped: 1 running syncs, 1 requests/)
  expect(done.stdout).toMatch(/Not revoked: app .*\n[^]*Enterprise applications/)
  expect(await offboarded()).toBeInstanceOf(Date)

  const sync = await run('sync', customer)
  expect(sync).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/state is offboarded.*entra-sync resume/),
  })
  expect((await run('status', customer)).stdout).toMatch(
    /^State +offboarded on \d{4}-\d\d-\d\d: never synced/m,
  )
  expect((await run('status')).stdout.trimEnd().split('\n\n')[0]).toMatch(/offboarded.*$/)

  expect((await run('resume', customer)).stdout).toContain('had been offboarded and is taken back')
  expect(await offboarded()).toBeNull()

  const { code, stdout, stderr } = await run(
    'offboard',
    customer,
    '--purge',
    '--yes',
    '--archive',
    archive,
    '--json',
  )
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  const report = JSON.parse(stdout) as {
    done: boolean
    purged: Record<string, number>
    archived: { file: string }
  }
  expect(report).toMatchObject({
    done: true,
    purged: { entra_tenants: 1, persons: 5 },
    archived: { file: archive },
  })
  expect(await readFile(archive, 'utf8')).toContain('"end":true')
  expect(await run('offboard', customer)).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/No Entra tenant is known as/),
  })
  const { rows } = await sql<{ action: string }>`
    select action from audit_log where entra_tenant_id = ${customer} and actor like 'command%' order by audit_id`.execute(
    db,
  )
  expect(rows.map(({ action }) => action)).toEqual([
    'entra_tenant_offboarded',
    'entra_tenant_reinstated',
    'entra_tenant_offboarded',
    'entra_tenant_purged',
  ])
})

test('the partner is refused, with what to do', async () => {
  const { partner, env } = await openFilled()
  const refused = await runCommand(['offboard', partner], env)
  expect(refused).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/of the MSP itself.*Offboard its customers/),
  })
})
