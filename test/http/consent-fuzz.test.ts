import fc from 'fast-check'
import { sql } from 'kysely'
import { expect, test } from 'vitest'
import { cookie, openConsentVisits } from './consent-visits.ts'

/** One change to the answer that Microsoft sent, or to the browser that brings it. */
type Change =
  | { what: 'drop' | 'double' | 'empty' | 'upper_name'; name: string }
  | { what: 'set' | 'add' | 'add_first'; name: string; value: string }
  | { what: 'cookie'; value: string | null }
  | { what: 'shuffle'; by: number }
  | { what: 'raw'; text: string }
  | { what: 'slash' | 'fragment' | 'encode_all' }

const names = ['state', 'tenant', 'admin_consent', 'error', 'scope', 'error_description', 'code']
const strange = [
  '',
  'null',
  'True',
  'False',
  '%00',
  "' or 1=1 --",
  '<script>alert(1)</script>',
  '../../x',
  'A'.repeat(43),
  'a'.repeat(5000),
  '\u202e\u0000\ud800',
  '00000000-0000-0000-0000-000000000000',
]

/** `tenants`: what may stand in `tenant`; `states`: further states that are in the database. */
function changes(tenants: string[], states: string[]): fc.Arbitrary<Change[]> {
  const name = fc.constantFrom(...names)
  const value = fc.oneof(
    fc.constantFrom(...strange, ...tenants, ...tenants.map((id) => id.toUpperCase()), ...states),
    fc.string({ maxLength: 60, unit: 'binary' }),
  )
  const change: fc.Arbitrary<Change> = fc.oneof(
    fc.record({ what: fc.constantFrom('drop', 'double', 'empty', 'upper_name'), name }),
    fc.record({ what: fc.constantFrom('set', 'add', 'add_first'), name, value }),
    fc.record({
      what: fc.constant('cookie' as const),
      value: fc.option(fc.constantFrom('', 'x', 'A'.repeat(43), 'a b', '%00', '"quoted"')),
    }),
    fc.record({ what: fc.constant('shuffle' as const), by: fc.nat({ max: 10 }) }),
    fc.record({
      what: fc.constant('raw' as const),
      text: fc.constantFrom(
        '&&&',
        '&%',
        '&=x',
        '&state',
        '&tenant[]=1',
        '&__proto__=1',
        '&state%5B%5D=1',
        ';state=1',
      ),
    }),
    fc.record({ what: fc.constantFrom('slash', 'fragment', 'encode_all') }),
  )
  return fc.array(change, { maxLength: 4 })
}

interface Visit {
  path: string
  cookie: string | null
}

function altered(honest: string, browser: string, list: readonly Change[]): Visit {
  const given = new URL(honest, 'https://sync.example.com')
  let pairs = [...given.searchParams] as [string, string][]
  let path = given.pathname
  let raw = ''
  let sent: string | null = browser
  let encode = encodeURIComponent
  for (const change of list) {
    if (change.what === 'drop') pairs = pairs.filter(([key]) => key !== change.name)
    else if (change.what === 'double') pairs.push(...pairs.filter(([key]) => key === change.name))
    else if (change.what === 'empty')
      pairs = pairs.map(([key, value]) => [key, key === change.name ? '' : value])
    else if (change.what === 'upper_name')
      pairs = pairs.map(([key, value]) => [key === change.name ? key.toUpperCase() : key, value])
    else if (change.what === 'set')
      pairs = [...pairs.filter(([key]) => key !== change.name), [change.name, change.value]]
    else if (change.what === 'add') pairs.push([change.name, change.value])
    else if (change.what === 'add_first') pairs.unshift([change.name, change.value])
    else if (change.what === 'cookie') sent = change.value === null ? null : `${cookie}=${change.value}`
    else if (change.what === 'shuffle')
      pairs = [...pairs.slice(change.by % 4), ...pairs.slice(0, change.by % 4)]
    else if (change.what === 'raw') raw += change.text
    else if (change.what === 'slash') path = '/consent-callback/'
    else if (change.what === 'fragment') raw += '#state=1'
    else
      encode = (text) =>
        [...Buffer.from(String(text))].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('')
  }
  const query = pairs
    .map(([key, value]) => `${encodeURIComponent(key)}=${encode(value.toWellFormed())}`)
    .join('&')
  return { path: `${path}?${query}${raw}`, cookie: sent }
}

test('of any answer, however it was tampered with: no grant of a tenant that was not asked for, no state twice, no fault', async () => {
  const visits = await openConsentVisits()
  const { cloud, customer, partner, db, server } = visits
  const link = await visits.link()
  const strangers = ['11111111-2222-4333-8444-555555555555', partner]
  // States that are there already, one of them of another tenant's link in this same browser.
  const used = await visits.start(link)
  await visits.back(await visits.decide(used.microsoft, 'accept'), used.browser)
  const open = await visits.start(link)
  let proofs = 0
  let given = 0

  const property = fc.asyncProperty(
    changes([customer, ...strangers], [used.state, open.state]),
    fc.constantFrom('accept', 'accept', 'cancel', 'other_tenant'),
    fc.integer({ min: 1, max: 3 }),
    async (list, decision, times) => {
      await sql`truncate consents, problems`.execute(db)
      cloud.signIns.settings.answersAsTenant = decision === 'other_tenant' ? partner : null
      // Nobody has consented before, so that every grant comes from this answer.
      Object.assign(cloud.tenant(customer).app, { state: 'no-service-principal', roles: [], late: null })
      const { microsoft, browser, state } = await visits.start(link, open.browser)
      const honest = await visits.decide(microsoft, decision === 'cancel' ? 'cancel' : 'accept')
      const visit = altered(honest, browser, list)
      const pages = await Promise.all(
        Array.from({ length: times }, () =>
          fetch(server.url + visit.path, {
            redirect: 'manual',
            headers: visit.cookie === null ? {} : { Cookie: visit.cookie },
          }),
        ),
      )
      const texts = await Promise.all(pages.map((page) => page.text()))
      for (const page of pages) expect(page.status).toBeLessThan(500)
      for (const text of texts) expect(text).not.toMatch(/<script|EntraSyncError|node_modules/)

      const { rows } = await sql<{ tenant: string; status: string }>`
          select entra_tenant_id as tenant, status from consents`.execute(db)
      // Whatever stands in the address: the only tenant ever written of is the one that the state was made for.
      expect(rows.filter(({ tenant }) => tenant !== customer)).toEqual([])
      const successes = texts.filter((text) => text.includes('Consent is given')).length
      proofs += rows.length
      given += successes
      expect(successes).toBeLessThanOrEqual(1)
      if (decision !== 'accept')
        expect([successes, rows.filter((row) => row.status === 'granted')]).toEqual([0, []])
      // A state that was taken is not taken again, by the honest answer neither.
      const requests = await sql<{ used: boolean }>`
          select used_at is not null as used from consent_requests
          where state_hash = sha256(${Buffer.from(state)})`.execute(db)
      const again = await visits.back(honest, browser)
      if (requests.rows[0]?.used === true) expect([410, 429]).toContain(again.status)
      else if (decision === 'accept') expect(again.title).toBe('Consent is given')
    },
  )
  await fc.assert(property, { numRuns: 600 })
  // The fuzz is no fuzz when nothing comes through.
  expect([proofs > 50, given > 50]).toEqual([true, true])
})
