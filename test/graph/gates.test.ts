import { describe, expect, it } from 'vitest'
import { createGates, isApplicationWide } from '../../src/graph/gates.ts'

describe('gates', () => {
  it('are never opened early by a later, shorter wait', () => {
    const gates = createGates()
    gates.hold('a', 60_000)
    gates.hold('a', 1_000)
    expect(gates.waitMs('a')).toBeGreaterThan(50_000)
    expect(gates.waitMs('b')).toBe(0)
  })

  it('hold every tenant for the application', () => {
    const gates = createGates()
    gates.hold(null, 60_000)
    gates.hold('a', 90_000)
    expect(gates.waitMs('b')).toBeGreaterThan(50_000)
    expect(gates.waitMs('a')).toBeGreaterThan(80_000)
  })

  it.each([
    ['Application/Read/app', true],
    [' application ', true],
    ['Tenant_Application/ReadWrite/app/tenant', false],
    ['Tenant/Read/app/tenant', false],
    [null, false],
  ])('scope %j is application-wide: %s', (scope, expected) => expect(isApplicationWide(scope)).toBe(expected))
})
