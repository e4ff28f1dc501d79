import { describe, expect, it } from 'vitest'
import { EntraSyncError } from '../../src/errors.ts'
import { asOptional, graphError, kindOfAnswer, readErrorBody } from '../../src/graph/errors.ts'
import { retryAfterMs } from '../../src/graph/retry-after.ts'
import { thrown } from './caught.ts'

const answer = (status: number, body: unknown) =>
  graphError({ status, body, requestId: 'r-1', resource: '/users', tenant: 't' })
const coded = (code: string, inner?: object) => ({ error: { code, message: 'm', ...inner } })

describe('errors of Graph', () => {
  it.each([
    [410, 'syncStateNotFound', 'reset'],
    [410, '', 'reset'],
    [400, 'SyncStateNotFound', 'reset'],
    [400, 'syncStateInvalid', 'reset'],
    [400, 'RESYNCREQUIRED', 'reset'],
    [400, 'Directory_ExpiredPageToken', 'restart'],
    [400, 'Request_BadRequest', 'malformed'],
    [400, 'Request_UnsupportedQuery', 'malformed'],
    [401, 'InvalidAuthenticationToken', 'access_lost'],
    [401, 'Authorization_IdentityNotFound', 'access_lost'],
    [402, 'PaymentRequired', 'malformed'],
    [403, 'Authorization_RequestDenied', 'access_lost'],
    [403, 'Forbidden', 'access_lost'],
    [404, 'Request_ResourceNotFound', 'not_found'],
    [404, 'Directory_TenantNotFound', 'access_lost'],
    [408, '', 'transient'],
    [429, 'tooManyRequests', 'throttled'],
    [429, '', 'throttled'],
    [503, 'Request_ThrottledTemporarily', 'throttled'],
    [500, 'InternalServerError', 'transient'],
    [501, 'NotImplemented', 'malformed'],
    [502, '', 'transient'],
    [503, 'serviceNotAvailable', 'transient'],
    [504, 'UnknownError', 'transient'],
  ])('%i %s is %s', (status, code, kind) => {
    expect(kindOfAnswer(status, code ? [code] : [])).toBe(kind)
    expect(answer(status, coded(code))).toMatchObject({
      kind,
      status,
      requestId: 'r-1',
      resource: '/users',
      tenant: 't',
    })
  })

  it('goes by the innermost code that decides, however deep and however spelt', () => {
    const nested = coded('BadRequest', {
      innerError: { code: 'x', innererror: { code: 'syncStateNotFound' } },
    })
    expect(answer(400, nested)).toMatchObject({ kind: 'reset', code: 'sync_state_not_found' })
    expect(readErrorBody(nested).codes).toEqual(['syncStateNotFound', 'x', 'BadRequest'])
    // The inner "code" of a 429 is the number again.
    expect(answer(429, coded('TooManyRequests', { innerError: { code: '429' } }))).toMatchObject({
      code: 'too_many_requests',
    })
  })

  it.each([
    null,
    '',
    '<html>',
    [],
    {},
    { error: null },
    { error: 'x' },
    { error: { code: 7, innerError: [] } },
  ])('survives the body %j', (body) =>
    expect(answer(503, body)).toMatchObject({ kind: 'transient', code: 'graph_503' }),
  )

  it('turns a refusal of an optional read into a notice, and nothing else', () => {
    const refusal = answer(403, coded('Authorization_RequestDenied'))
    expect(asOptional(refusal)).toMatchObject({
      kind: 'not_permitted',
      code: 'authorization_request_denied',
      requestId: 'r-1',
    })
    const others = [
      answer(429, {}),
      answer(404, coded('Directory_TenantNotFound')),
      new EntraSyncError('access_lost', 'm', {
        code: 'client_secret_invalid',
        status: 401,
        resource: 'token',
      }),
    ]
    for (const other of others) expect(thrown(() => asOptional(other))).toBe(other)
  })
})

describe('Retry-After', () => {
  const now = Date.parse('2026-08-20T10:00:00Z')
  it.each([
    ['0', 0],
    ['7', 7_000],
    [' 7 ', 7_000],
    ['1.5', 1_500],
    ['900', 900_000],
    ['99999999999999999999', 900_000],
    ['Thu, 20 Aug 2026 10:00:30 GMT', 30_000],
    ['Thu, 20 Aug 2026 09:00:00 GMT', 0],
    ['Thu, 20 Aug 2099 09:00:00 GMT', 900_000],
    ['-5', null],
    ['', null],
    ['soon', null],
    ['NaN', null],
    ['1e9', null],
    ['0x10', null],
    ['2026-08-20', null],
    ['Thu, 99 Foo 2026', null],
    [null, null],
    [undefined, null],
  ])('%j means %s ms', (header, expected) => expect(retryAfterMs(header, 900_000, now)).toBe(expected))
})
