import fc from 'fast-check'
import { expect, it } from 'vitest'
import { slugOf, uniqueSlug } from '../../../src/consent/links/slug.ts'

it.each([
  ['Contoso Ltd.', 'contoso-ltd'],
  ['Ärzte & Söhne GmbH', 'arzte-sohne-gmbh'],
  ['  --  ', 'tenant'],
  ['株式会社', 'tenant'],
  ["O'Neill / Sons", 'o-neill-sons'],
])('%j becomes %s', (name, slug) => {
  expect(slugOf(name)).toBe(slug)
})

it('is what the table takes, for any name', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 300 }), (name) => {
      expect(slugOf(name)).toMatch(/^[a-z0-9][a-z0-9-]{0,59}$/)
    }),
  )
})

it('numbers what is taken', () => {
  const taken = new Set(['contoso', 'contoso-2'])
  expect(uniqueSlug('Contoso', taken)).toBe('contoso-3')
  expect(uniqueSlug('Contoso', taken)).toBe('contoso-4')
  expect(uniqueSlug('Fabrikam', taken)).toBe('fabrikam')
})
