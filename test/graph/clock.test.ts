import { afterEach, describe, expect, test, vi } from 'vitest'
import { inMs, steadyNow } from '../../src/clock.ts'
import { createCircuit } from '../../src/graph/circuit.ts'
import { createGates } from '../../src/graph/gates.ts'
import { createUnits } from '../../src/graph/units.ts'
import { putClock, putClockRight } from '../harness/clock.ts'
import { laterBy } from '../harness/steady-clock.ts'
import { caught } from './caught.ts'
import { fakeCloud, graphErrorBody, tenant, token } from './fake-cloud.ts'
import { closeServers } from './tls-server.ts'

const minute = 60_000
const jumps = [-5 * minute, -60 * minute, 24 * 60 * minute]

afterEach(async () => {
  putClockRight()
  vi.restoreAllMocks()
  await closeServers()
})

const ok = () => ({ body: { value: [] } })

describe.each(jumps)('the clock of the machine is put by %i ms', (jump) => {
  test('the steady clock goes on', () => {
    const before = steadyNow()
    putClock(jump)
    expect(steadyNow() - before).toBeGreaterThanOrEqual(0)
    expect(steadyNow() - before).toBeLessThan(minute)
    expect(inMs(minute).getTime() - before).toBeLessThan(2 * minute)
  })

  test('who is held stays held, and no longer', () => {
    const gates = createGates()
    gates.hold('a', minute)
    putClock(jump)
    expect(gates.waitMs('a')).toBeGreaterThan(0)
    expect(gates.waitMs('a')).toBeLessThanOrEqual(minute)
    laterBy(minute)
    expect(gates.waitMs('a')).toBe(0)
  })

  test('a budget that is spent fills as fast as ever', async () => {
    const units = createUnits(undefined, { tenant: 1000 })
    await units.waitMs('a')
    units.spent('a', 2000)
    putClock(jump)
    const wait = await units.waitMs('a')
    expect(wait).toBeGreaterThan(9000)
    expect(wait).toBeLessThan(11_000)
    laterBy(15_000)
    expect(await units.waitMs('a')).toBe(0)
  })

  test('a circuit that is open asks when it would have asked, and closes', async () => {
    const circuit = createCircuit({ failures: 2, tenants: 2, probeMs: 5000, restMs: 1000 })
    circuit.failed('a')
    circuit.failed('b')
    putClock(jump)
    const rest = await circuit.restMs()
    expect(rest).toBeGreaterThan(0)
    expect(rest).toBeLessThanOrEqual(3000)
    laterBy(5001)
    expect(await circuit.restMs()).toBe(0)
    circuit.answered()
    expect(await circuit.restMs()).toBe(0)
  })

  test('a wait that Microsoft asks for is as long as it was, beside the work and for the whole tenant', async () => {
    const cloud = await fakeCloud((url, { count }) => {
      if (url === '/v1.0/busy')
        return { status: 429, headers: { 'retry-after': '60' }, body: graphErrorBody('TooManyRequests') }
      if (count > 1) return ok()
      putClock(jump)
      return { status: 429, headers: { 'retry-after': '0.2' }, body: graphErrorBody('TooManyRequests') }
    })
    const client = cloud.graph.forTenant(tenant)
    expect(await client.get('/users')).toEqual({ value: [] })
    const error = await caught(client.get('/busy'))
    expect(error).toMatchObject({ kind: 'throttled' })
    putClock(-jump)
    const left = (error.retryAt?.getTime() ?? 0) - steadyNow()
    expect(left).toBeGreaterThan(30_000)
    expect(left).toBeLessThanOrEqual(1.25 * minute)
  })

  test('a token is used as long as it lives', async () => {
    const cloud = await fakeCloud(ok)
    const client = cloud.graph.forTenant(tenant)
    await client.get('/1')
    putClock(jump)
    await client.get('/2')
    expect(cloud.tokenRequests).toHaveLength(1)
    laterBy(59.5 * minute)
    await client.get('/3')
    expect(cloud.calls.map(({ authorization }) => authorization)).toEqual([
      'Bearer token-1',
      'Bearer token-1',
      'Bearer token-2',
    ])
  })

  test('a token that is under way meanwhile is no refusal', async () => {
    const cloud = await fakeCloud(ok)
    cloud.onToken = () => {
      putClock(jump)
      return token('under-way')
    }
    await cloud.graph.forTenant(tenant).get('/1')
    expect(cloud.calls.map(({ authorization }) => authorization)).toEqual(['Bearer under-way'])
  })

  test('a permission that was granted after the token is seen by the next run', async () => {
    const cloud = await fakeCloud((_, { count }) =>
      count === 2 ? { status: 403, body: graphErrorBody('Authorization_RequestDenied') } : ok(),
    )
    await cloud.graph.forTenant(tenant).get('/1')
    putClock(jump)
    expect(await cloud.graph.forTenant(tenant).get('/2')).toEqual({ value: [] })
    expect(cloud.tokenRequests).toHaveLength(2)
  })
})
