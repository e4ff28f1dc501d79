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
  async function start(size = 20): Promise<void> {
    engine = await startEngine(backend, [3, size])
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

  it('keeps one family that fails from no other: it is told, rests, and is resolved when it can be', async () => {
    await start()
    const engineering = group()
    directory().addMember(engineering, user('Ann'))
    await engine.queues.targets.pause()
    await sync()
    await sql`insert into computers (tenant_id, name) values (${tenantId}, 'PC-1')`.execute(db())
    const partner = engine.tenants[0] ?? ''
    await sql`update entra_tenants set last_synced_at = now() where entra_tenant_id = ${partner}`.execute(
      db(),
    )
    await sql`insert into target_dirt (family_id, kind) values (${partner}, 'all')`.execute(db())
    const raise = (how: string) =>
      sql`create or replace function no_target() returns trigger language plpgsql as ${sql.lit(
        `begin raise exception 'no target' using errcode = '${how}'; end`,
      )}`.execute(db())
    await raise('22012')
    await sql`create trigger no_target before insert on deployment_targets for each row execute function no_target()`.execute(
      db(),
    )
    // The wake-up at the end of the sync comes a moment after the run's end: it must be there to be swept away.
    await until(
      'the wake-up',
      async () => (await engine.queues.targets.getJobCountByTypes('prioritized')) > 0,
    )
    await engine.queues.targets.obliterate({ force: true })
    await engine.queues.targets.resume()
    const failed = (await ended(await add({}))).failedReason
    const name = engine.cloud.tenant(contoso).displayName
    expect(failed).toMatch(
      new RegExp(
        `^postgres_22012 resolve-targets: The targets of ${name} could not be resolved: Postgres: no target`,
      ),
    )
    const { rows } =
      await sql`select f.family_id, failures, code, retry_at > now() as rests from target_failures f`.execute(
        db(),
      )
    expect(rows).toEqual([{ family_id: contoso, failures: 1, code: 'postgres_22012', rests: true }])
    const others = await sql`select from target_families where family_id = ${partner}`.execute(db())
    expect(others.rows).toHaveLength(1)
    expect((await engine.tick()).families).toBe(0)

    // A fault that passes is not told at once.
    await raise('40P01')
    await sql`delete from target_failures`.execute(db())
    expect((await ended(await add({ tenantId }))).returnvalue).toMatch(
      /^0 families: .*; not resolved: .* \(postgres_40p01\), tried again in a moment$/,
    )
    await sql`drop trigger no_target on deployment_targets`.execute(db())
    await sql`update target_failures set retry_at = now()`.execute(db())
    await engine.tick()
    await targeted('Ann')
    // The job notes the end of the failure after the targets are committed.
    await until(
      'no failure left',
      async () => (await sql`select from target_failures`.execute(db())).rows.length === 0,
    )
  })

  it('holds what drains a subgroup, though the group itself loses nobody: no target goes', async () => {
    await start(200)
    const engineering = group()
    const platform = directory().addGroup({
      displayName: 'Platform',
      mailNickname: 'platform',
      securityEnabled: true,
    })
    directory().addMember(engineering, platform, 'group')
    const people = Array.from({ length: 12 }, (_, index) => user(`Person ${String(index).padStart(2, '0')}`))
    for (const person of people) directory().addMember(platform, person)
    await sync()
    await until('twelve targets', async () => (await targets()).length === 12)
    for (const person of people) directory().removeMember(platform, person)
    await sync()
    const hold = await until('a hold', async () => {
      const { rows } = await sql<{ kind: string; size: number }>`
        select kind, size from holds where status = 'open'`.execute(db())
      return rows.length > 0 ? rows : null
    })
    expect(hold).toMatchObject([{ kind: 'target', size: 12 }])
    expect(await targets()).toHaveLength(12)
    const said = '1 family: 0 assigned, 0 changed, 0 unassigned; 12 held in Contoso'
    await until('the job to say so', async () =>
      (await engine.queues.targets.getCompleted()).some(({ returnvalue }) => returnvalue === said),
    )
  })
})
