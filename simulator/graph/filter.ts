import type { SimResponse } from '../types.ts'
import { failure } from './answers.ts'

/** A compiled $filter; `advanced` = Graph takes it with ConsistencyLevel and $count only. */
export interface Filter {
  fits(read: (path: string) => unknown): boolean
  advanced: boolean
}

type Test = (read: (path: string) => unknown) => boolean
interface Parser {
  tokens: string[]
  at: number
  advanced: boolean
}

const tokenPattern = /\s*('(?:[^']|'')*'|[(),:]|[^\s(),:']+)/gy

/**
 * Compiles the forms that directory queries are written in: eq, ne, ge, le, gt, lt, in, startswith, endswith, any, and,
 * or, not. Comparison is case-blind, as in the directory.
 */
export function compileFilter(text: string): Filter | { refusal: SimResponse } {
  const parser: Parser = { tokens: [], at: 0, advanced: false }
  tokenPattern.lastIndex = 0
  let end = 0
  for (const match of text.matchAll(tokenPattern)) {
    parser.tokens.push(match[1] ?? '')
    end = match.index + match[0].length
  }
  const test = text.slice(end).trim() === '' ? either(parser) : null
  if (test === null || parser.at < parser.tokens.length) {
    return { refusal: failure(400, 'BadRequest', `Invalid filter clause: syntax error in '${text}'.`) }
  }
  return { fits: test, advanced: parser.advanced }
}

function peek(parser: Parser): string {
  return (parser.tokens[parser.at] ?? '').toLowerCase()
}

function accept(parser: Parser, token: string): boolean {
  if (peek(parser) !== token) return false
  parser.at += 1
  return true
}

function take(parser: Parser): string {
  return parser.tokens[parser.at++] ?? ''
}

function either(parser: Parser): Test | null {
  const tests = [both(parser)]
  while (accept(parser, 'or')) tests.push(both(parser))
  return combined(tests, (all, read) => all.some((test) => test(read)))
}

function both(parser: Parser): Test | null {
  const tests = [single(parser)]
  while (accept(parser, 'and')) tests.push(single(parser))
  return combined(tests, (all, read) => all.every((test) => test(read)))
}

function combined(
  tests: (Test | null)[],
  join: (all: Test[], read: (path: string) => unknown) => boolean,
): Test | null {
  const all = tests.filter((test) => test !== null)
  return all.length < tests.length ? null : (read) => join(all, read)
}

function single(parser: Parser): Test | null {
  if (accept(parser, 'not')) {
    parser.advanced = true
    const test = single(parser)
    return test && ((read) => !test(read))
  }
  if (accept(parser, '(')) {
    const test = either(parser)
    return accept(parser, ')') ? test : null
  }
  const name = take(parser)
  const lower = name.toLowerCase()
  if (lower === 'startswith' || lower === 'endswith') return textTest(parser, lower)
  if (lower.endsWith('/any')) return anyTest(parser, name.slice(0, -'/any'.length))
  return comparison(parser, name)
}

function textTest(parser: Parser, kind: 'startswith' | 'endswith'): Test | null {
  if (!accept(parser, '(')) return null
  const name = take(parser)
  if (!accept(parser, ',')) return null
  const wanted = String(literal(take(parser))).toLowerCase()
  if (!accept(parser, ')')) return null
  if (kind === 'endswith') parser.advanced = true
  return (read) => {
    const value = text(read(name))
    return kind === 'startswith' ? value.startsWith(wanted) : value.endsWith(wanted)
  }
}

/** `groupTypes/any(c:c eq 'Unified')`, `assignedLicenses/any(x:x/skuId eq ...)`. */
function anyTest(parser: Parser, name: string): Test | null {
  if (!accept(parser, '(')) return null
  const variable = take(parser)
  if (!accept(parser, ':')) return null
  const test = either(parser)
  if (test === null || !accept(parser, ')')) return null
  return (read) => {
    const items: unknown = read(name)
    return (
      Array.isArray(items) &&
      items.some((item: unknown) =>
        test((path) => (path === variable ? item : follow(item, path.slice(variable.length + 1)))),
      )
    )
  }
}

function comparison(parser: Parser, name: string): Test | null {
  const operator = take(parser).toLowerCase()
  if (operator === 'in') {
    if (!accept(parser, '(')) return null
    const wanted: string[] = []
    do wanted.push(key(literal(take(parser))))
    while (accept(parser, ','))
    return accept(parser, ')') ? (read) => wanted.includes(key(follow(read, name))) : null
  }
  const token = take(parser)
  if (name === '' || token === '') return null
  const wanted = literal(token)
  if (operator === 'ne') parser.advanced = true
  switch (operator) {
    case 'eq':
      return (read) => key(follow(read, name)) === key(wanted)
    case 'ne':
      return (read) => key(follow(read, name)) !== key(wanted)
    case 'ge':
      return (read) => ordered(follow(read, name), wanted) >= 0
    case 'gt':
      return (read) => ordered(follow(read, name), wanted) > 0
    case 'le':
      return (read) => ordered(follow(read, name), wanted) <= 0
    case 'lt':
      return (read) => ordered(follow(read, name), wanted) < 0
    default:
      return null
  }
}

/** NaN, and so no comparison true, where there is no value. */
function ordered(value: unknown, wanted: unknown): number {
  if (value == null) return Number.NaN
  return text(value) < text(wanted) ? -1 : Number(text(value) > text(wanted))
}

function literal(token: string): string | boolean | null {
  if (token.startsWith("'")) return token.slice(1, -1).replaceAll("''", "'")
  const lower = token.toLowerCase()
  if (lower === 'null') return null
  return lower === 'true' ? true : lower === 'false' ? false : token
}

function text(value: unknown): string {
  return typeof value === 'string' ? value.toLowerCase() : ''
}

function key(value: unknown): string {
  return typeof value === 'string' ? `'${value.toLowerCase()}` : JSON.stringify(value ?? null)
}

function follow(from: unknown, path: string): unknown {
  if (typeof from === 'function') return (from as (path: string) => unknown)(path)
  return path.split('/').reduce<unknown>((value, name) => {
    return value !== null && typeof value === 'object' ? (value as Record<string, unknown>)[name] : undefined
  }, from)
}
