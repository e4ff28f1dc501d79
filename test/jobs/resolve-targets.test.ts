import { sql } from 'kysely'
import type { Job } from 'bullmq'
import { afterEach, describe, expect, it } from 'vitest'
import { syncNow } from '../../src/jobs/enqueue.ts'
import { startEngine, type Engine } from './engine.ts'
import { backends, until } from './support.ts'

describe.each(backends)('targets on %s', (backend) => {
  let engine: Engine
  let contoso: string
  let tenantId: string

  afterEach(() => engine.close())

  const db = () => engine.database.db
  const directory = () => engine.cloud.tenant(contoso).directory

  /** A partner and a customer that is linked, one of whose groups a deployment names by its name. */
  async function start(): Promise<void> {
    engine = await startEngine(backend, [3, 20])
    contoso = engine.tenants[1] ?? ''
    const made = await sql<{ tenant_id: string }>`
      insert into tenants (name, slug) values ('Contoso', 'contoso') returning tenant_id`.execute(db())
    tenantId = made.rows[0]?.tenant_id ?? ''
    await sql`insert into tenant_links (tenant_id, entra_tenant_id) values (${tenantId}, ${contoso})`.execute(
      db(),
    )
    const item = await sql<{ item_id: string }>`
      insert into maintenance_items (name) values ('AutoCAD') returning item_id`.execute(db())
    await sql`
      insert into deployments (name, item_id, scope, target_type, target)
      values ('AutoCAD', ${item.rows[0]?.item_id}, 'cross_tenant', 'group_name', '{"name": "bridge builders"}')`.execute(
      db(),
    )
    await engine.startWorkers(1)
    await engine.startWorkers(1, { queue: 'targets', concurrency: 2 })
  }

  const group = () =>
    directory().addGroup({ displayName: 'Bridge Builders', mailNickname: 'bridges', securityEnabled: true })
  const user = (name: string) =>
    directory().addUser({
      displayName: name,
      userPrincipalName: `${name}@${engine.cloud.tenant(contoso).defaultDomain}`,
    })

  async function sync(): Promise<void> {
    await syncNow(db(), engine.queues, { entraTenantId: contoso, requestedBy: 'anna', priority: 10 })
    await engine.served(contoso)
  }

  async function targets(): Promise<string[]> {
    const { rows } = await sql<{ name: string }>`
      select p.display_name as name from deployment_targets t join persons p on p.person_id = t.subject_id
      order by 1`.execute(db())
    return rows.map(({ name }) => name)
  }

  const targeted = (...names: string[]) =>
    until(`targets ${names.join()}`, async () => (await targets()).join() === names.join())

  const add = (data: object) => engine.queues.stranger('targets').add('resolve-targets', data)
  const ended = (job: Job) =>
    until('the job to end', async () => {
      const now = (await engine.queues.targets.getJob(job.id ?? '')) as Job | undefined
      return now?.finishedOn === undefined ? null : now
    })

  it('reaches the feed in the delta cycle in which somebody joins the group', async () => {
    await start()
    const engineering = group()
    directory().addMember(engineering, user('Ann'))
    await sync()
    await targeted('Ann')
    const ben = user('Ben')
    directory().addMember(engineering, ben)
    await sync()
    await targeted('Ann', 'Ben')
    const { rows } = await sql`
      select c.change, p.display_name, c.reason ->> 'by' as by, r.trigger from target_changes c
      join persons p on p.person_id = c.subject_id join target_runs r using (run_id) order by c.seq`.execute(
      db(),
    )
    expect(rows).toEqual([
      { change: 'assigned', display_name: 'Ann', by: 'group', trigger: 'sync' },
      { change: 'assigned', display_name: 'Ben', by: 'group', trigger: 'sync' },
    ])
    directory().removeMember(engineering, ben)
    await sync()
    await targeted('Ann')
  })

  it('says what it did, and refuses what it does not know', async () => {
    await start()
    directory().addMember(group(), user('Ann'))
    await sync()
    await targeted('Ann')
    expect((await ended(await add({ tenantId }))).returnvalue).toBe(
      'nothing to do: its targets are not dirty',
    )
    // The tenant was a family by itself before its link.
    expect((await ended(await add({}))).returnvalue).toBe('1 family: 0 assigned, 0 changed, 0 unassigned')
    await sql`update deployments set version = '2022'`.execute(db())
    expect((await ended(await add({}))).returnvalue).toBe('1 family: 0 assigned, 1 changed, 0 unassigned')
    const nobody = '00000000-0000-4000-8000-000000000000'
    for (const [payload, message] of [
      [{ tenantId: nobody }, /^tenant_unknown .*There is no such tenant/],
      [{ deploymentId: nobody }, /^deployment_unknown resolve-targets: There is no such deployment/],
      [{ tenant: 'contoso' }, /^payload_invalid/],
    ] as const) {
      expect((await ended(await add(payload))).failedReason).toMatch(message)
    }
  })

  it('leaves targets alone when groups could not be read, and catches up when they can', async () => {
    await start()
    const engineering = group()
    directory().addMember(engineering, user('Ann'))
    await sync()
    await targeted('Ann')
    await ended(await add({}))
    const fault = engine.cloud.faults.add({
      tenantId: contoso,
      path: '^/groups/delta',
      effect: { kind: 'status', status: 403 },
    })
    directory().addMember(engineering, user('Ben'))
    await sql`update persons set department = 'Sales' where display_name = 'Ann'`.execute(db())
    await syncNow(db(), engine.queues, { entraTenantId: contoso, requestedBy: 'anna' })
    await until('the run to fail', async () =>
      (await engine.runs(contoso)).some(({ outcome }) => outcome === 'failed'),
    )
    expect((await engine.tick()).families).toBe(0)
    expect((await ended(await add({ tenantId }))).returnvalue).toMatch(
      /^not resolved: the targets of .* are frozen/,
    )
    expect(await targets()).toEqual(['Ann'])
    engine.cloud.faults.remove(fault)
    await sync()
    await targeted('Ann', 'Ben')
  })

  it('heals a wake-up that was lost with the queue or the worker', async () => {
    await start()
    const engineering = group()
    directory().addMember(engineering, user('Ann'))
    await engine.queues.targets.pause()
    await sync()
    await until(
      'the wake-up',
      async () => (await engine.queues.targets.getJobCountByTypes('prioritized')) > 0,
    )
    await engine.queues.targets.obliterate({ force: true })
    await engine.queues.targets.resume()
    expect(await targets()).toEqual([])
    expect((await engine.tick()).families).toBeGreaterThan(0)
    await targeted('Ann')
    expect(await engine.tick()).toMatchObject({ families: 0 })
  })
})
