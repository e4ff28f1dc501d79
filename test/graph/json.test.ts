import { describe, expect, it } from 'vitest'
import { parseJson } from '../../src/graph/json.ts'
import { thrown } from './caught.ts'

// Beyond this length nesting is looked for before parsing.
const long = 5 * 1024 * 1024

describe('parseJson', () => {
  it.each([
    ['text with brackets and quotes', JSON.stringify({ value: ['[{"\\'.repeat(long / 5), '\\', ']}'] })],
    [
      'many shallow objects',
      JSON.stringify({ value: Array.from({ length: 200_000 }, (_, n) => ({ id: n, list: [[]] })) }),
    ],
    ['60 levels', '['.repeat(60) + '"' + 'x'.repeat(long) + '"' + ']'.repeat(60)],
  ])('reads a long body of %s', (_, text) => {
    expect(text.length).toBeGreaterThan(2 * 1024 * 1024)
    expect(JSON.stringify(parseJson(text, '/x'))).toBe(text)
  })

  it.each([
    ['brackets', '['.repeat(long), 'json_too_deep'],
    ['objects', '{"a":'.repeat(long / 5) + '1', 'json_too_deep'],
    ['an unclosed text', '["' + 'x'.repeat(long), 'not_json'],
    ['an unclosed text that ends escaped', '["' + 'x'.repeat(long) + '\\"', 'not_json'],
    ['65 levels', '['.repeat(65) + ']'.repeat(65), 'json_too_deep'],
    ['a poisoned key', '[[{"__proto__":null}]]', 'forbidden_key'],
    ['a poisoned key in disguise', '{"\\u005f_proto__":1}', 'forbidden_key'],
    ['a constructor with a prototype', '{"constructor":{"prototype":null}}', 'forbidden_key'],
  ])('refuses %s', (_, text, code) => {
    expect(thrown(() => parseJson(text, '/x'))).toMatchObject({ kind: 'malformed', code, resource: '/x' })
  })

  it('takes a harmless constructor', () =>
    expect(parseJson('{"constructor":"Ada"}', '/x')).toEqual({ constructor: 'Ada' }))
})
