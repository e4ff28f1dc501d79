import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import { describe, expect, onTestFinished, test } from 'vitest'
import { startFleet, type Fleet } from './fleet.ts'

describe.each(['redis', 'postgres'] as const)('on %s', (backend) => {
  test('a worker killed between a page with @removed and the end of the round removes nobody', async () => {
    const { fleet, tenant } = await syncedFleet(backend, 1)
    const [leaver] = tenant.directory
      .truth()
      .users.filter((user) => !user.userPrincipalName.includes('#EXT#'))
    if (!leaver) throw new Error('the seed has members')
    tenant.directory.deleteUser(leaver.id)
    // Empty pages follow the one with the removal, so that the round is still running when it is killed.
    for (let index = 0; index < 4; index++)
      tenant.directory.updateUser(someUser(fleet, index), { jobTitle: `Title ${index}` })
    fleet.cloud.faults.knobs(tenant.id, { pageSize: 1 })
    fleet.cloud.faults.add({
      tenantId: tenant.id,
      path: '/users/delta.*skiptoken',
      after: 1,
      effect: { kind: 'silence' },
    })
    await fleet.ask(tenant.id)
    await until(
      async () =>
        (await fleet.database.db.selectFrom('sync_pending_removals').select('key').execute()).length > 0,
    )

    const [worker] = fleet.workers
    if (!worker) throw new Error('there is a worker')
    await fleet.replace(worker)
    expect(await liveIn(fleet, leaver.id)).toBe(true)

    fleet.cloud.faults.clear()
    await fleet.settle()
    expect(await liveIn(fleet, leaver.id)).toBe(false)
    expect(await fleet.differences()).toEqual([])
  })

  test('a worker frozen in a round and woken after another took over writes nothing more', async () => {
    const { fleet, tenant } = await syncedFleet(backend, 1)
    const [frozen] = fleet.workers
    if (!frozen) throw new Error('there is a worker')
    for (let index = 0; index < 6; index++)
      tenant.directory.updateUser(someUser(fleet, index), { jobTitle: `Before ${index}` })
    fleet.cloud.faults.knobs(tenant.id, { pageSize: 1 })
    fleet.cloud.faults.add({
      tenantId: tenant.id,
      path: '/users/delta.*skiptoken',
      after: 1,
      effect: { kind: 'latency', ms: 800 },
    })
    await fleet.ask(tenant.id)
    await until(async () => (await pagesOf(fleet, tenant.id)) > 0)
    frozen.kill('SIGSTOP')
    const held = await runSeq(fleet, tenant.id)

    await fleet.startWorker()
    fleet.cloud.faults.clear()
    await until(async () => (await runSeq(fleet, tenant.id)) > held)
    for (let index = 0; index < 6; index++)
      tenant.directory.updateUser(someUser(fleet, index), { jobTitle: `After ${index}` })
    await fleet.settle()
    expect(await fleet.differences()).toEqual([])

    frozen.kill('SIGCONT')
    // What it had in hand is written now, if it is ever written.
    await sleep(2500)
    expect(await fleet.differences()).toEqual([])
    await fleet.settle()
    expect(await fleet.differences()).toEqual([])
  })
})

async function syncedFleet(backend: 'redis' | 'postgres', workers: number) {
  const fleet = await startFleet(backend, workers, { seed: 11, sizes: [60], customers: 0 })
  onTestFinished(() => fleet.close())
  await fleet.settle()
  const [tenant] = fleet.cloud.tenants
  if (!tenant) throw new Error('the cloud has a partner')
  return { fleet, tenant }
}

function someUser(fleet: Fleet, index: number): string {
  const users = fleet.cloud.tenants[0]?.directory.truth().users ?? []
  return users[users.length - 1 - index]?.id ?? ''
}

async function liveIn(fleet: Fleet, objectId: string): Promise<boolean> {
  const person = await fleet.database.db
    .selectFrom('persons')
    .select('deleted_at')
    .where('object_id', '=', objectId)
    .executeTakeFirst()
  return person !== undefined && person.deleted_at === null
}

async function pagesOf(fleet: Fleet, entraTenantId: string): Promise<number> {
  const { rows } = await sql<{ pages: number }>`
    select round_pages as pages from sync_cursors
    where entra_tenant_id = ${entraTenantId} and collection = 'users' and next_link is not null`.execute(
    fleet.database.db,
  )
  return rows[0]?.pages ?? 0
}

async function runSeq(fleet: Fleet, entraTenantId: string): Promise<number> {
  const lease = await fleet.database.db
    .selectFrom('sync_leases')
    .select('run_seq')
    .where('entra_tenant_id', '=', entraTenantId)
    .executeTakeFirstOrThrow()
  return lease.run_seq
}

async function until(probe: () => Promise<boolean>): Promise<void> {
  while (!(await probe())) await sleep(50)
}
