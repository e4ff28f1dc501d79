import { expect, test } from 'vitest'
import { matchCredentials, type CredentialMark } from '../../../src/consent/apps/match-credentials.ts'
import type { RegisteredCredential } from '../../../src/graph/applications.ts'

const end = (day: number) => new Date(Date.UTC(2030, 0, day))
const secret = (credentialId: string, hint: string | null): CredentialMark => ({
  credentialId,
  kind: 'secret',
  hint,
  thumbprints: [],
})
const certificate = (credentialId: string, ...thumbprints: string[]): CredentialMark => ({
  credentialId,
  kind: 'certificate',
  hint: null,
  thumbprints,
})
const shownSecret = (hint: string | null, day: number): RegisteredCredential => ({
  kind: 'secret',
  hint,
  thumbprint: null,
  endsAt: end(day),
})
const shownCertificate = (thumbprint: string | null, day: number): RegisteredCredential => ({
  kind: 'certificate',
  hint: null,
  thumbprint,
  endsAt: end(day),
})
const yes = (day: number) => ({ registered: true, endsAt: end(day) })
const ambiguous = { registered: true, endsAt: null }
const unknown = { registered: null, endsAt: null }
const no = { registered: false, endsAt: null }

test.each([
  [
    'by hint',
    [secret('a', 'abc'), secret('b', 'xyz')],
    [shownSecret('xyz', 2), shownSecret('abc', 1)],
    [yes(1), yes(2)],
  ],
  ['another hint is another secret', [secret('a', 'abc')], [shownSecret('xyz', 1)], [no]],
  ['none is registered', [secret('a', 'abc')], [shownCertificate('AA', 1)], [no]],
  ['one of each, no hint shown', [secret('a', 'abc')], [shownSecret(null, 1)], [yes(1)]],
  ['one of each, not opened here', [secret('a', null)], [shownSecret('abc', 1)], [yes(1)]],
  [
    'two, no hint shown',
    [secret('a', 'abc'), secret('b', 'xyz')],
    [shownSecret(null, 1)],
    [unknown, unknown],
  ],
  [
    'several not to be told apart',
    [secret('a', 'abc')],
    [shownSecret('abc', 1), shownSecret('abc', 2)],
    [ambiguous],
  ],
  [
    'two of ours alike, one is there',
    [secret('a', 'abc'), secret('b', 'abc')],
    [shownSecret('abc', 1)],
    [unknown, unknown],
  ],
  [
    'a certificate by either thumbprint',
    [certificate('a', 'AA', 'BB')],
    [shownCertificate('BB', 3)],
    [yes(3)],
  ],
  ['a certificate that is not there', [certificate('a', 'AA')], [shownCertificate('BB', 3)], [no]],
  [
    'a certificate without thumbprints to compare',
    [certificate('a', 'AA')],
    [shownCertificate(null, 3)],
    [unknown],
  ],
  [
    'kinds do not mix',
    [certificate('a', 'AA'), secret('b', 'abc')],
    [shownSecret('abc', 1), shownCertificate('AA', 2)],
    [yes(2), yes(1)],
  ],
])('%s', (_, stored, registered, expected) => {
  const matches = matchCredentials(stored, registered)
  expect(stored.map(({ credentialId }) => matches.get(credentialId))).toEqual(expected)
})
