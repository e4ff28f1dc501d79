import { describe, expect, test } from 'vitest'
import { entryOfCode, findEntries } from '../../src/error-catalogue/catalogue.ts'
import { usedCodes } from './used-codes.ts'

describe('codes of errors and problems', () => {
  test('that the sources use are in the catalogue, with what to do', async () => {
    const used = await usedCodes()
    expect(used.length).toBeGreaterThan(250)
    expect(used.filter(({ code }) => entryOfCode(code) === undefined)).toEqual([])
  })

  test.each(['graph_away', 'login_away', 'tenant_held'])('%s says that nobody has to act', (code) => {
    expect(entryOfCode(code)).toMatchObject({ kind: 'throttled', whoActs: 'microsoft', retry: 'soon' })
    expect(findEntries(code)).toHaveLength(1)
  })

  test.each([
    ['graph_503', 'graph_nnn'],
    ['graph_403', 'graph_403'],
    ['login_400', 'login_nnn'],
    ['network_econnreset', 'network_xxx'],
    ['postgres_57p01', 'postgres_xxx'],
    ['POSTGRES_40P01', 'postgres_xxx'],
    ['postgres_connection_lost', 'postgres_connection_lost'],
  ])('%s is explained by %s', (code, entry) => {
    expect(findEntries(code).map((one) => one.code)).toEqual([entry])
  })

  test.each(['graph_5030', 'postgres_', 'graph_nope', 'network_<b>'])('%s is no code', (code) => {
    expect(findEntries(code)).toEqual([])
    expect(entryOfCode(code)).toBeUndefined()
  })
})
