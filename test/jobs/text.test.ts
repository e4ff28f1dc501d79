import fc from 'fast-check'
import { expect, it } from 'vitest'
import { jobText } from '../../src/jobs/text.ts'

it('is always text that Postgres takes, bounded, and stays the same the second time', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 3000 }), (text) => {
      const clean = jobText(text)
      expect(clean).not.toContain('\u0000')
      expect(clean.isWellFormed()).toBe(true)
      expect(clean.length).toBeLessThanOrEqual(2000)
      expect(jobText(clean)).toBe(clean)
    }),
  )
})

it('repairs half a character', () => {
  expect(jobText('a\ud83d')).toBe('a\ufffd')
  expect(jobText(`${'x'.repeat(1998)}😀😀`)).toBe(`${'x'.repeat(1998)}\ufffd…`)
})

it('keeps what people wrote', () => {
  expect(jobText('Müller & Söhne 😀\nsecond line')).toBe('Müller & Söhne 😀\nsecond line')
})
