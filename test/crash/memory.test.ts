import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { until } from '../jobs/support.ts'
import { startFleet } from './fleet.ts'

/** What a worker may need beside what it needs anyway, in MB: a page of the 64 MB that are let in, and what it is parsed to. */
const mostMb = 400

/** The most that a process has ever had in memory, in MB. */
async function peakMb(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024
}

const user = (n: number, more: object): object => ({
  id: `eeeeeeee-0000-4000-8000-${String(n).padStart(12, '0')}`,
  userPrincipalName: `huge${n}@contoso.example`,
  accountEnabled: false,
  ...more,
})

test('answers that would fill the memory of a worker are cut off, told, and do not fill it', async (context) => {
  const fleet = await startFleet('postgres', 1, { seed: 64, sizes: [20, 8], customers: 1 })
  context.onTestFinished(() => fleet.close())
  const { db } = fleet.database
  await fleet.settle()
  const [worker] = fleet.workers
  const id = fleet.cloud.tenants[0]?.id ?? ''
  const pid = worker?.pid ?? 0
  const before = await peakMb(pid)

  /** A full read under this fault: how it ended. */
  async function readUnder(effect: Parameters<typeof fleet.cloud.faults.add>[0]['effect']) {
    const since = await db
      .selectFrom('sync_runs')
      .select(({ fn }) => fn.countAll<number>().as('n'))
      .where('entra_tenant_id', '=', id)
      .where('finished_at', 'is not', null)
      .executeTakeFirstOrThrow()
    const fault = fleet.cloud.faults.add({ tenantId: id, path: '^/users/delta', effect })
    await fleet.ask(id, 'full')
    const run = await until('the run to end', async () => {
      const runs = await db
        .selectFrom('sync_runs')
        .select(['outcome', 'error_code', 'error_message'])
        .where('entra_tenant_id', '=', id)
        .where('finished_at', 'is not', null)
        .orderBy('finished_at', 'desc')
        .execute()
      return runs.length > since.n && runs[0]
    })
    fleet.cloud.faults.remove(fault)
    return run
  }

  const edit = { kind: 'edit' as const }
  for (const [what, effect, code] of [
    ['300 MB out of 300 kB', { kind: 'zip-bomb', bytes: 300_000_000 }, /too_large|malformed|body/],
    ['a body without end', { kind: 'endless' }, /too_large|timeout|malformed|body/],
    [
      'a page of 100 MB',
      {
        ...edit,
        behind: Array.from({ length: 100 }, (_, n) => user(n, { jobTitle: 'x'.repeat(1_000_000) })),
      },
      /too_large|malformed|body/,
    ],
  ] as const) {
    const run = await readUnder(effect)
    expect({ what, ...run }).toMatchObject({
      what,
      outcome: expect.stringMatching(/^(failed|partial)$/),
      error_code: expect.stringMatching(code),
    })
  }
  const huge = { displayName: 'x'.repeat(10_000_000), department: 'y'.repeat(10_000_000) }
  expect(await readUnder({ ...edit, behind: [user(1, huge)] })).toMatchObject({ outcome: 'succeeded' })

  expect((await peakMb(pid)) - before).toBeLessThan(mostMb)
  // The same process goes on, and what was told meanwhile goes with the next full round.
  expect(worker?.exitCode).toBeNull()
  await fleet.ask(id, 'full')
  await until('all to be as in the cloud', async () => (await fleet.differences()).length === 0)
})
