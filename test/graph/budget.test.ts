import { sql } from 'kysely'
import { describe, expect, onTestFinished, test } from 'vitest'
import { startCloud, type Cloud } from '../../simulator/cloud.ts'
import { takeUnits, holdApp } from '../../src/db/app-budgets.ts'
import { createCircuit, createRetryBudget } from '../../src/graph/circuit.ts'
import { createGraph, type Graph, type GraphOptions } from '../../src/graph/graph.ts'
import { createUnits, type UnitSource } from '../../src/graph/units.ts'
import { isEntraSyncError, type EntraSyncError } from '../../src/errors.ts'
import { createLog } from '../../src/log.ts'
import { testCa } from '../harness/ca.ts'
import { testDatabase } from '../harness/database.ts'

/** The error that something ends with; null = none. */
const caught = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => null,
    (error: unknown) => error,
  )

const log = createLog({ level: 'silent', pretty: false })

function openGraphOf(cloud: Cloud, more: Partial<GraphOptions> = {}): Graph {
  const graph = createGraph({
    cloud: { loginUrl: cloud.origin, graphUrl: cloud.origin },
    appFor: async () => ({ clientId: cloud.clientId, secret: cloud.clientSecret }),
    log,
    timings: { backoffMs: 1 },
    ...more,
  })
  onTestFinished(() => graph.close())
  return graph
}

describe('the budget of an app, over all processes', () => {
  test('blocks are given until the window is full, to whoever asks, and again in the next', async () => {
    const database = await testDatabase()
    onTestFinished(() => database.drop())
    const { db } = database
    const budget = { units: 3000, windowMs: 3_600_000 }
    const asked = await Promise.all(Array.from({ length: 8 }, () => takeUnits(db, 'app', 1000, budget)))
    expect(asked.filter((wait) => wait === 0)).toHaveLength(3)
    for (const wait of asked.filter((one) => one > 0)) expect(wait).toBeLessThanOrEqual(budget.windowMs)
    expect(await takeUnits(db, 'another app', 1000, budget)).toBe(0)
    await sql`update app_budgets set window_start = window_start - interval '1 hour'`.execute(db)
    expect(await takeUnits(db, 'app', 1000, budget)).toBe(0)
    await holdApp(db, 'another app', 60_000)
    await holdApp(db, 'another app', 5_000)
    expect(await takeUnits(db, 'another app', 1000, budget)).toBeGreaterThan(50_000)
  })

  test('processes together never spend more than the budget and the blocks at hand in a window', async () => {
    const database = await testDatabase()
    onTestFinished(() => database.drop())
    const cloud = await startCloud({ seed: 4, sizes: [60], customers: 0, ca: testCa() })
    onTestFinished(() => cloud.close())
    const [tenant] = cloud.tenants
    if (tenant === undefined) throw new Error('the cloud has a partner')
    const budget = { units: 60, windowMs: 3_600_000 }
    const open = (): Graph => {
      const graph = createGraph({
        cloud: { loginUrl: cloud.origin, graphUrl: cloud.origin },
        appFor: async () => ({ clientId: cloud.clientId, secret: cloud.clientSecret }),
        log,
        timings: { maxInlineWaitMs: 200 },
        units: createUnits(
          {
            appOf: () => cloud.clientId,
            take: (app, block) => takeUnits(database.db, app, block, budget),
            hold: (app, milliseconds) => holdApp(database.db, app, milliseconds),
          },
          { block: 10 },
        ),
      })
      onTestFinished(() => graph.close())
      return graph
    }
    let spent = 0
    const read = async (graph: Graph) => {
      const client = graph.forTenant(tenant.id)
      for (;;) {
        const error = await caught(client.get('/users?$top=1'))
        if (error !== null) {
          spent += client.usage.resourceUnits
          return error
        }
      }
    }
    const errors = await Promise.all([open(), open(), open()].map(read))
    for (const error of errors) expect(error).toMatchObject({ kind: 'throttled', code: 'tenant_held' })
    expect(spent).toBeGreaterThan(40)
    expect(spent).toBeLessThanOrEqual(60 + 3 * 10)
  })
})

describe('units', () => {
  const source = (waits: number[]): UnitSource & { asked: number } => ({
    asked: 0,
    appOf: () => 'app',
    async take() {
      this.asked += 1
      return waits.shift() ?? 0
    },
    hold: async () => {},
  })

  test('a tenant that has spent its own waits, another does not', async () => {
    const units = createUnits(undefined, { tenant: 100 })
    units.spent('a', 99)
    expect(await units.waitMs('a')).toBe(0)
    units.spent('a', 101)
    expect(await units.waitMs('a')).toBeGreaterThan(5000)
    expect(await units.waitMs('b')).toBe(0)
  })

  test('one question for a block, however many wait for it', async () => {
    const from = source([])
    const units = createUnits(from, { block: 10 })
    expect(await Promise.all(['a', 'b', 'c'].map((id) => units.waitMs(id)))).toEqual([0, 0, 0])
    expect(from.asked).toBe(1)
    units.spent('a', 10)
    await units.waitMs('b')
    expect(from.asked).toBe(2)
  })

  test('none left: all wait until the window ends; a source that cannot be asked refuses nobody', async () => {
    const units = createUnits(source([5000]), { block: 10 })
    expect(await units.waitMs('a')).toBeGreaterThan(4000)
    expect(await units.waitMs('b')).toBeGreaterThan(4000)
    const broken = createUnits({ ...source([]), take: () => Promise.reject(new Error('no database')) })
    expect(await broken.waitMs('a')).toBe(0)
  })

  test('a process that has units left hears of a hold that another was told', async () => {
    const database = await testDatabase()
    onTestFinished(() => database.drop())
    const open = () =>
      createUnits(
        {
          appOf: () => 'app',
          take: (app, block) => takeUnits(database.db, app, block, { units: 3000, windowMs: 3_600_000 }),
          hold: (app, milliseconds) => holdApp(database.db, app, milliseconds),
        },
        { block: 1000, askMs: 0 },
      )
    const [one, another] = [open(), open()]
    expect([await one.waitMs('a'), await another.waitMs('b')]).toEqual([0, 0])
    one.holdApp('a', 60_000)
    await expect.poll(() => another.waitMs('b')).toBeGreaterThan(30_000)
    // Asking took nothing: both have one block.
    const { rows } = await sql<{ units: number }>`select units from app_budgets`.execute(database.db)
    expect(rows).toEqual([{ units: 2000 }])
  })

  test('a hold of the app holds all tenants', async () => {
    const units = createUnits(source([]))
    await units.waitMs('a')
    units.holdApp('a', 5000)
    expect(await units.waitMs('b')).toBeGreaterThan(4000)
  })
})

describe('the circuit', () => {
  test('opens after failures of several tenants with no answer between them, lets one call try, closes with an answer', async () => {
    const changes: boolean[] = []
    const circuit = createCircuit({
      failures: 4,
      tenants: 2,
      probeMs: 0,
      onChange: (open) => changes.push(open),
    })
    for (let n = 0; n < 10; n++) circuit.failed('a')
    expect(await circuit.restMs()).toBe(0)
    circuit.answered()
    for (const id of ['a', 'b', 'a', 'b']) circuit.failed(id)
    expect(changes).toEqual([true])
    expect(circuit.awaySince()).not.toBeNull()
    expect(await circuit.restMs()).toBe(0)
    circuit.answered()
    expect(changes).toEqual([true, false])
    expect(circuit.awaySince()).toBeNull()
  })

  test('while it is open each tenant rests for a time of its own', async () => {
    const circuit = createCircuit({ failures: 2, tenants: 2, probeMs: 60_000, restMs: 1000 })
    circuit.failed('a')
    circuit.failed('b')
    const rests = await Promise.all(Array.from({ length: 200 }, () => circuit.restMs()))
    expect(Math.min(...rests)).toBeGreaterThanOrEqual(1000)
    expect(Math.max(...rests)).toBeLessThanOrEqual(3000)
    // Spread over all of it: no tenth of the time takes more than a quarter of them.
    const tenths = Map.groupBy(rests, (ms) => Math.floor((ms - 1000) / 200))
    for (const group of tenths.values()) expect(group.length).toBeLessThan(50)
  })

  test('who comes while a call asks waits for its answer: nobody rests when the service is back', async () => {
    const circuit = createCircuit({ failures: 2, tenants: 2, probeMs: 300, restMs: 1000 })
    const asked = async () => {
      circuit.failed('a')
      circuit.failed('b')
      while ((await circuit.restMs()) !== 0) await new Promise((resolve) => setTimeout(resolve, 20))
      return ['a', 'b', 'c'].map(() => circuit.restMs())
    }
    const back = await asked()
    circuit.answered()
    expect(await Promise.all(back)).toEqual([0, 0, 0])
    const away = await asked()
    circuit.failed('a')
    expect(Math.min(...(await Promise.all(away)))).toBeGreaterThanOrEqual(1000)
    const stopped = new AbortController()
    while ((await circuit.restMs()) !== 0) await new Promise((resolve) => setTimeout(resolve, 20))
    const waiting = circuit.restMs(stopped.signal)
    stopped.abort()
    await expect(waiting).rejects.toMatchObject({ kind: 'aborted' })
  })
})

describe('the budget of retries', () => {
  test('a tenth of what is sent, and never more than so many at once', () => {
    const budget = createRetryBudget({ share: 0.1, floor: 2, most: 5, tenant: 100 })
    const take = (n: number) => Array.from({ length: n }, () => budget.take('a')).filter(Boolean).length
    expect(take(10)).toBe(2)
    for (let n = 0; n < 30; n++) budget.sent('a')
    expect(take(10)).toBeGreaterThanOrEqual(2)
    for (let n = 0; n < 1000; n++) budget.sent('a')
    expect(take(100)).toBe(5)
  })

  test('one that always fails uses up its own, not what another needs once in a while', async () => {
    const cloud = await startCloud({ seed: 3, sizes: [20, 10], customers: 1, ca: testCa() })
    onTestFinished(() => cloud.close())
    const [well, ill] = cloud.tenants
    if (well === undefined || ill === undefined) throw new Error('the cloud has two')
    const graph = openGraphOf(cloud)
    cloud.faults.add({ tenantId: ill.id, path: '/users', effect: { kind: 'status', status: 503 } })
    let retried = 0
    for (let run = 0; run < 40; run++) {
      const client = graph.forTenant(ill.id)
      expect(await caught(client.get('/users?$top=1'))).toMatchObject({ kind: 'transient' })
      retried += client.usage.retries
    }
    // What it began with, and a tenth of its own requests.
    expect(retried).toBeLessThanOrEqual(10 + 0.1 * 60)
    cloud.faults.add({ tenantId: well.id, path: '/users', times: 2, effect: { kind: 'status', status: 503 } })
    await graph.forTenant(well.id).get('/users?$top=1')
  })
})

test('under 5 % of faults no more than a tenth of the requests are retries, as the cloud counts them, and all is read', async () => {
  const cloud = await startCloud({ seed: 9, sizes: [400], customers: 0, ca: testCa() })
  onTestFinished(() => cloud.close())
  const [tenant] = cloud.tenants
  if (tenant === undefined) throw new Error('the cloud has a partner')
  const graph = createGraph({
    cloud: { loginUrl: cloud.origin, graphUrl: cloud.origin },
    appFor: async () => ({ clientId: cloud.clientId, secret: cloud.clientSecret }),
    log,
    timings: { backoffMs: 1 },
  })
  onTestFinished(() => graph.close())
  let random = 7
  const isFaulty = () => (random = (random * 1_103_515_245 + 12_345) % 2 ** 31) / 2 ** 31 < 0.05
  let requests = 0
  let retries = 0
  for (let n = 0; n < 600; n++) {
    if (isFaulty())
      cloud.faults.add({
        tenantId: tenant.id,
        path: '/users',
        times: 1,
        effect: { kind: 'status', status: 503 },
      })
    const client = graph.forTenant(tenant.id)
    await client.get('/users?$top=5')
    requests += client.usage.requests
    retries += client.usage.retries
  }
  expect(retries).toBeGreaterThan(10)
  expect(retries).toBeLessThanOrEqual(requests * 0.1)
})

test('while Graph is away for everybody few calls go out, and it is found again', async () => {
  const cloud = await startCloud({ seed: 9, sizes: [20, 10, 10], customers: 2, ca: testCa() })
  onTestFinished(() => cloud.close())
  const graph = createGraph({
    cloud: { loginUrl: cloud.origin, graphUrl: cloud.origin },
    appFor: async () => ({ clientId: cloud.clientId, secret: cloud.clientSecret }),
    log,
    timings: { backoffMs: 1 },
    circuit: { failures: 6, probeMs: 300, restMs: 1000 },
  })
  onTestFinished(() => graph.close())
  const sent = { requests: 0 }
  const ask = async (id: string) => {
    const client = graph.forTenant(id)
    const error = await caught(client.get('/users?$top=1'))
    sent.requests += client.usage.requests
    return error
  }
  for (const { id } of cloud.tenants)
    cloud.faults.add({ tenantId: id, path: '/users', effect: { kind: 'status', status: 503 } })
  for (const { id } of cloud.tenants) expect(await ask(id)).not.toBeNull()
  expect(graph.away()).toMatchObject([{ service: 'graph' }])
  const before = sent.requests
  const away: EntraSyncError[] = []
  for (let n = 0; n < 60; n++) {
    const error = await ask(cloud.tenants[n % 3]?.id ?? '')
    expect(error).toMatchObject({ kind: 'throttled' })
    if (isEntraSyncError(error)) away.push(error)
  }
  expect(away.length).toBeGreaterThan(30)
  for (const { code, retryAt } of away)
    expect({ code, retryAt }).toEqual({ code: 'graph_away', retryAt: expect.any(Date) })
  // A probe makes three attempts at most.
  expect(sent.requests - before).toBeLessThan(30)
  cloud.faults.clear()
  while ((await ask(cloud.tenants[0]?.id ?? '')) !== null)
    await new Promise((resolve) => setTimeout(resolve, 20))
  for (const { id } of cloud.tenants) expect(await ask(id)).toBeNull()
})

test('the login service away for everybody: few tokens are asked for, Graph is not blamed, and it is found again', async () => {
  const cloud = await startCloud({ seed: 9, sizes: [20, 10, 10, 10], customers: 3, ca: testCa() })
  onTestFinished(() => cloud.close())
  const graph = openGraphOf(cloud, { circuit: { failures: 6, probeMs: 300, restMs: 1000 } })
  const ask = (id: string) => caught(graph.forTenant(id).get('/users?$top=1'))
  const [signedIn, ...others] = cloud.tenants.map(({ id }) => id)
  if (signedIn === undefined) throw new Error('the cloud has a partner')
  expect(await ask(signedIn)).toBeNull()
  cloud.faults.add({ path: '/oauth2/v2.0/token', effect: { kind: 'status', status: 503 } })
  for (let n = 0; n < 5; n++) expect(await ask(others[n % 3] ?? '')).toMatchObject({ kind: 'transient' })
  // Whose call shows that it is away for all, or asks for all later, has not failed.
  expect(await ask(others[2] ?? '')).toMatchObject({ kind: 'throttled', code: 'login_away' })
  expect(graph.away()).toEqual([{ service: 'login', since: expect.any(Number) }])
  const tokens = () => cloud.requests.counts()['/oauth2/v2.0/token'] ?? 0
  const before = tokens()
  expect(before).toBeGreaterThanOrEqual(6)
  const startedAt = performance.now()
  for (let n = 0; n < 60; n++) {
    expect(await ask(others[n % 3] ?? '')).toMatchObject({ kind: 'throttled', code: 'login_away' })
    // Who has a token goes on.
    expect(await ask(signedIn)).toBeNull()
  }
  const probes = (performance.now() - startedAt) / 300
  expect(tokens() - before).toBeLessThanOrEqual(probes + 1)
  cloud.faults.clear()
  while ((await ask(others[0] ?? '')) !== null) await new Promise((resolve) => setTimeout(resolve, 20))
  for (const id of others) expect(await ask(id)).toBeNull()
  expect(graph.away()).toEqual([])
})
