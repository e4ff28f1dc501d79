import { readFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import {
  catalogue,
  entryOfAadsts,
  entryOfCode,
  entryOfOAuth,
  fillRemedy,
  findEntries,
  redirectUriOf,
} from '../../src/error-catalogue/catalogue.ts'
import { catalogueMarkdown } from '../../src/error-catalogue/markdown.ts'
import { graphError } from '../../src/graph/errors.ts'
import { tokenError } from '../../src/graph/token-errors.ts'

const redirectUri = redirectUriOf('https://sync.example')

// What Microsoft documents and the field reports for the flows of this product; see docs/errors.md.
const numbers = [
  7000215, 7000222, 7000218, 700025, 700027, 700024, 700030, 50012, 50048, 700016, 7000229, 700011, 7000112,
  70001, 65001, 65004, 650051, 650052, 650054, 650056, 650057, 500011, 90094, 90095, 90099, 90093, 90002,
  900023, 90038, 900382, 900432, 50059, 90019, 50128, 5000224, 50194, 9001023, 90124, 90130, 9002313, 900144,
  90014, 70011, 28002, 700022, 700023, 50196, 500113, 50011, 53003, 530032, 530034, 530035, 53011, 50076,
  50074, 50079, 50072, 50158, 50177, 50020, 50034, 51004, 90072, 500212, 500213, 50105, 700082, 70008, 70043,
  50173, 50133, 50000, 50033, 50086, 50087, 50088, 90006, 90012, 90024, 90033, 90055, 90090, 90091,
]

describe('the catalogue', () => {
  test.each(numbers)('knows AADSTS%i', (number) => {
    const entry = entryOfAadsts(number)
    expect(entry?.numbers).toContain(number)
    const error = tokenError({
      status: 400,
      body: { error: 'invalid_grant', error_codes: [number] },
      tenant: 't',
      correlationId: 'c',
    })
    expect(error).toMatchObject({ kind: entry?.kind, code: entry?.code })
    expect(error.message).toContain(`(AADSTS${number} invalid_grant)`)
    expect(error.remedy).not.toMatch(/[{}]/)
  })

  test('no number and no name means two things', () => {
    const all = catalogue.flatMap((entry) => [
      ...entry.numbers.map(String),
      ...entry.names.map((name) => `${entry.source} ${name.toLowerCase()}`),
    ])
    expect(all.filter((one, place) => all.indexOf(one) !== place)).toEqual([])
  })

  test('every entry is whole', () => {
    const faulty = catalogue.filter(
      (entry) =>
        !/^[a-z][a-z0-9_]*$/.test(entry.code) ||
        /[.!]$/.test(entry.what) ||
        !entry.remedy.endsWith('.') ||
        /[{}]/.test(fillRemedy(entry, {})),
    )
    expect(faulty).toEqual([])
  })

  test.each([
    ['access_denied', 'consent_declined'],
    ['permission_denied', 'consent_declined'],
    ['consent_required', 'consent_declined'],
    ['interaction_required', 'interaction_required'],
    ['invalid_request', 'sign_in_request_refused'],
    ['unauthorized_client', 'app_not_usable'],
    ['SERVER_ERROR', 'login_transient'],
    ['temporarily_unavailable', 'login_transient'],
  ])('a redirect with error=%s is %s', (error, code) => expect(entryOfOAuth(error)?.code).toBe(code))

  test.each(['', 'constructor', '__proto__', 'toString', 'x'.repeat(5000)])(
    'nothing is made of the error %j',
    (error) => {
      expect(entryOfOAuth(error)).toBeUndefined()
      expect(entryOfCode(error)).toBeUndefined()
      expect(findEntries(error)).toEqual([])
    },
  )

  test('both redirect URI errors tell the portal steps and the URI to paste', () => {
    for (const number of [500113, 50011]) {
      const entry = entryOfAadsts(number)
      const remedy = entry && fillRemedy(entry, { redirectUri, clientId: 'app-1', tenant: 'contoso.example' })
      expect(remedy).toContain('App registrations > All applications > app app-1 > Authentication')
      expect(remedy).toContain('Web; paste https://sync.example/consent-callback')
      expect(remedy).toContain('entra-sync consent verify contoso.example')
    }
  })

  test('an entry is found by number, code and name', () => {
    expect(findEntries('aadsts50011')).toEqual(findEntries('50011'))
    expect(findEntries('50011').map(({ code }) => code)).toEqual(['redirect_uri_mismatch'])
    expect(findEntries('authorization_requestdenied')).toEqual(findEntries('authorization_request_denied'))
    expect(findEntries('consent_required').length).toBeGreaterThan(5)
    expect(findEntries('AADSTS12345')).toEqual([])
  })

  test('a code of Graph has the same meaning in an error and in the catalogue', () => {
    for (const entry of catalogue.filter(({ source }) => source === 'graph')) {
      const [name] = entry.names
      const error = graphError({
        status: 403,
        body: { error: { code: name } },
        requestId: 'r',
        resource: '/users',
        tenant: 't',
      })
      expect(error).toMatchObject({ code: entry.code, remedy: fillRemedy(entry, { tenant: 't' }) })
    }
  })

  test('who acts', () => {
    expect(entryOfCode('consent_required')?.whoActs).toBe('customer_admin')
    expect(entryOfCode('client_secret_expired')?.whoActs).toBe('operator')
    expect(entryOfCode('partner_access_denied')?.whoActs).toBe('partner_admin')
    expect(entryOfCode('login_transient')?.whoActs).toBe('microsoft')
  })
})

test('docs/errors.md is what `npm run docs:errors` makes', async () => {
  const page = await readFile(new URL('../../docs/errors.md', import.meta.url), 'utf8')
  expect(page).toBe(catalogueMarkdown())
})
