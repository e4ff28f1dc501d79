import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { companyName } from '../../../src/consent/customers/names.ts'
import {
  proposeTenants,
  type CandidateTenant,
  type UnlinkedCustomer,
} from '../../../src/consent/customers/proposals.ts'

const customer = (id: string, name: string, ...domains: string[]): UnlinkedCustomer => ({
  entraTenantId: id,
  name,
  domains,
})
const tenant = (id: string, name: string, ...domains: string[]): CandidateTenant => ({
  tenantId: id,
  name,
  domains,
  linkedTo: null,
})

function proposed(customers: UnlinkedCustomer[], tenants: CandidateTenant[]): Record<string, string | null> {
  return Object.fromEntries(
    [...proposeTenants(customers, tenants)].map(([id, { proposal }]) => [
      id,
      proposal === null ? null : `${proposal.tenantId} by ${proposal.by}`,
    ]),
  )
}

describe('a company name', () => {
  it.each([
    ['Fabrikam, Inc.', 'fabrikam'],
    ['FABRIKAM  ltd', 'fabrikam'],
    ['The Fabrikam Company', 'fabrikam'],
    ['Fabrikam L.L.C.', 'fabrikam'],
    ['Fabrikam S.p.A.', 'fabrikam'],
    ['Müller & Söhne GmbH & Co. KG', 'muller and sohne'],
    ['Müller and Sohne', 'muller and sohne'],
    ['Groß AG', 'gross'],
    ['O’Neil', 'oneil'],
    ["O'Neil Pty Ltd", 'oneil'],
    ['A.B.C. Plumbing', 'abc plumbing'],
    ['Inc', 'inc'],
    ['The Company', 'company'],
    ['株式会社コントソ', '株式会社コントソ'.normalize('NFKD').replace(/\p{M}/gu, '')],
    [' - ', ''],
    ['', ''],
  ])('%j is %j', (name, plain) => {
    expect(companyName(name)).toBe(plain)
  })
})

describe('proposals', () => {
  it('go by domain before name', () => {
    expect(
      proposed(
        [customer('a', 'Fabrikam', 'fabrikam.com'), customer('b', 'Contoso Ltd')],
        [tenant('1', 'Contoso'), tenant('2', 'Something else', 'fabrikam.com'), tenant('3', 'Fabrikam')],
      ),
    ).toEqual({ a: '2 by domain', b: '1 by name' })
  })

  it('take the exact name where several companies are called alike', () => {
    expect(
      proposed(
        [customer('a', 'Contoso Ltd'), customer('b', 'contoso  inc')],
        [tenant('1', 'Contoso Inc'), tenant('2', 'Contoso Ltd')],
      ),
    ).toEqual({ a: '2 by name', b: '1 by name' })
  })

  it.each<[string, UnlinkedCustomer[], CandidateTenant[], RegExp]>([
    [
      'several tenants have its domains',
      [customer('a', 'A', 'a.com', 'a.net')],
      [tenant('1', 'One', 'a.com'), tenant('2', 'Two', 'a.net')],
      /Several tenants.*One, Two/,
    ],
    [
      'a tenant has domains of several',
      [customer('a', 'A', 'a.com'), customer('b', 'B', 'b.com')],
      [tenant('1', 'One', 'a.com', 'b.com')],
      /several customers: A, B/,
    ],
    [
      'its domain is linked elsewhere',
      [customer('a', 'A', 'a.com')],
      [{ ...tenant('1', 'One', 'a.com'), linkedTo: 'x' }],
      /linked to another Entra tenant/,
    ],
    [
      'several tenants have its name',
      [customer('a', 'Contoso')],
      [tenant('1', 'Contoso Ltd'), tenant('2', 'Contoso Inc')],
      /several tenants: Contoso Ltd, Contoso Inc/,
    ],
    [
      'several customers have the name',
      [customer('a', 'Contoso'), customer('b', 'Contoso')],
      [tenant('1', 'Contoso')],
      /2 customers have that name/,
    ],
  ])('are none, and say why, when %s', (_, customers, tenants, reason) => {
    for (const { proposal, reason: said } of proposeTenants(customers, tenants).values()) {
      expect(proposal).toBeNull()
      expect(said).toMatch(reason)
    }
    expect(proposeTenants(customers, tenants).size).toBe(customers.length)
  })

  it('leave a tenant to the customer whose domain it has, and say so to one of its name', () => {
    const found = proposeTenants(
      [customer('a', 'Somebody', 'contoso.com'), customer('b', 'Contoso')],
      [tenant('1', 'Contoso', 'contoso.com')],
    )
    expect(found.get('a')?.proposal).toMatchObject({ tenantId: '1', by: 'domain', matched: 'contoso.com' })
    expect(found.get('b')).toMatchObject({
      proposal: null,
      reason: expect.stringContaining('domain of another customer') as string,
      unlinked: [{}],
    })
  })

  it('do not take a split of the customer itself for somebody else', () => {
    expect(
      proposeTenants([customer('a', 'A', 'a.com')], [{ ...tenant('1', 'One', 'a.com'), linkedTo: 'a' }]).size,
    ).toBe(0)
  })

  it('never give a tenant twice, nor one that is linked, whatever the names and domains are', () => {
    const name = fc.constantFrom(
      'Contoso',
      'contoso ltd',
      'Contoso Inc',
      'Fabrikam',
      'The Fabrikam',
      '',
      '???',
    )
    const domains = fc.uniqueArray(fc.constantFrom('a.com', 'b.com', 'c.com'), { maxLength: 2 })
    const customers = fc.array(fc.record({ name, domains }), { maxLength: 6 })
    const tenants = fc.array(
      fc.record({ name, domains, linkedTo: fc.option(fc.constantFrom('c0', 'elsewhere'), { freq: 4 }) }),
      { maxLength: 6 },
    )
    fc.assert(
      fc.property(customers, tenants, (some, others) => {
        const all = others.map((one, index) => ({ ...one, tenantId: `t${index}` }))
        const found = proposeTenants(
          some.map((one, index) => ({ ...one, entraTenantId: `c${index}` })),
          all,
        )
        const given = [...found.values()].flatMap(({ proposal }) => proposal?.tenantId ?? [])
        expect(new Set(given).size).toBe(given.length)
        for (const id of given) expect(all.find(({ tenantId }) => tenantId === id)?.linkedTo).toBeNull()
        for (const { proposal, reason } of found.values()) expect(proposal === null).toBe(reason !== null)
      }),
      { numRuns: 500 },
    )
  })
})
