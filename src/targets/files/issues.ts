import type { z } from 'zod'
import { didYouMean } from './nearest.ts'
import { pathText } from './places.ts'
import { knownKeys } from './schema.ts'

/** What zod finds, in words: where, and whether the key itself is meant or its value. */
export interface Finding {
  code: string
  path: PropertyKey[]
  message: string
  atKey?: boolean
}

type Issue = z.core.$ZodIssue

/** Keys that are right elsewhere, and where that is. */
const homes = ['target', 'filters'] as const

/** More than anybody corrects at once; a file of something else must not fill the memory with complaints. */
export const mostProblems = 1000

/** Findings for the issues of one parse; after a wrong type what else is wrong with the value says nothing. */
export function findingsOf(
  issues: readonly Issue[],
  file: unknown,
  at: readonly PropertyKey[] = [],
): Finding[] {
  const told = new Set<string>()
  return issues.flatMap((issue) => {
    if (issue.code === 'unrecognized_keys') return sentencesOf(issue, file, at)
    const path = pathText(issue.path)
    if (told.has(path)) return []
    told.add(path)
    return sentencesOf(issue, file, at)
  })
}

/** One sentence or two for an issue of the schema `deploymentFile`; `file` is the value that was parsed. */
function sentencesOf(issue: Issue, file: unknown, at: readonly PropertyKey[]): Finding[] {
  const path = [...at, ...issue.path]
  if (issue.code === 'unrecognized_keys')
    return issue.keys.slice(0, mostProblems).map((key) => unknownKey(path, key))
  if (issue.code === 'invalid_union') {
    const inner = innerIssues(issue.errors)
    if (inner !== undefined) return findingsOf(inner, file, path)
  }
  const { present, value } = lookUp(file, path)
  const name = nameOf(path)
  if (!present) {
    return [{ code: 'key_missing', path, message: `${name} is missing. It must be ${issue.message}.` }]
  }
  if (value === null) {
    const message = `${name} has no value. It must be ${issue.message}; or remove the key.`
    return [{ code: 'value_missing', path, message }]
  }
  return [{ path, ...judge(issue, name, value) }]
}

function judge(issue: Issue, name: string, value: unknown): { code: string; message: string } {
  if (issue.code === 'too_big' || issue.code === 'too_small') {
    return { code: 'value_range', message: `${name} ${rangeText(issue)}` }
  }
  if (issue.code === 'custom') return { code: 'value_wrong', message: `${name} ${issue.message}` }
  const choices = issue.code === 'invalid_value' ? issue.values.map(String) : []
  const near = typeof value === 'string' ? didYouMean(value, choices) : ''
  const quoted = issue.message === 'text' && ['number', 'boolean'].includes(typeof value)
  const hint = quoted ? ` Put it in quotes: "${String(value)}".` : near
  return { code: 'value_wrong', message: `${name} must be ${issue.message}, not ${shown(value)}.${hint}` }
}

function rangeText(issue: z.core.$ZodIssueTooBig | z.core.$ZodIssueTooSmall): string {
  const big = issue.code === 'too_big'
  if (issue.origin === 'string') return big ? `is longer than ${issue.maximum} characters.` : 'is empty.'
  if (issue.origin === 'array') return 'is an empty list: that would let nobody through. Remove it.'
  return big ? `is larger than ${issue.maximum}.` : `is smaller than ${issue.minimum}.`
}

function unknownKey(path: PropertyKey[], key: string): Finding {
  const place = path.findLast((part) => typeof part === 'string') ?? ''
  const known = knownKeys[place] ?? []
  const home = homes.find((one) => place !== one && place === 'deployments' && knownKeys[one]?.includes(key))
  const hint = known.includes(key)
    ? ` Give one of ${known.join(' and ')} only.`
    : home === undefined
      ? didYouMean(key, known) || ` Known ${known.length === 1 ? 'is' : 'are'} ${known.join(', ')}.`
      : ` It belongs under ${home}, as in ${home}: { ${key}: … }.`
  const where = path.length === 0 ? 'at the top of the file' : `in ${pathText(path)}`
  return {
    code: 'key_unknown',
    path: [...path, key],
    message: `${JSON.stringify(key)} is not a key ${where}.${hint}`,
    atKey: true,
  }
}

/** Issues of the branch that was meant: the one whose kind of value it is. Undefined = none is. */
function innerIssues(branches: readonly (readonly Issue[])[]): readonly Issue[] | undefined {
  const meant = branches.filter((issues) =>
    issues.every(({ code, path }) => path.length > 0 || !['invalid_type', 'invalid_value'].includes(code)),
  )
  // { sku } and { plan } both fail at an unknown key; the branch with fewer complaints was meant.
  const [nearest] = meant.toSorted((one, other) => complaints(one) - complaints(other))
  const unknown = nearest?.filter(({ code }) => code === 'unrecognized_keys') ?? []
  return unknown.length > 0 ? unknown : nearest
}

function complaints(issues: readonly Issue[]): number {
  return issues.reduce((sum, issue) => sum + (issue.code === 'unrecognized_keys' ? issue.keys.length : 1), 0)
}

function lookUp(file: unknown, path: readonly PropertyKey[]): { present: boolean; value: unknown } {
  let value = file
  for (const part of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) {
      return { present: false, value: undefined }
    }
    value = (value as Record<PropertyKey, unknown>)[part]
  }
  return { present: true, value }
}

/** How a message calls a value: by its key, in a list with its number. */
function nameOf(path: readonly PropertyKey[]): string {
  const last = path.at(-1)
  if (last === undefined) return 'The file'
  if (typeof last !== 'number') return String(last)
  return pathText([path.at(-2) ?? '', last])
}

function shown(value: unknown): string {
  if (typeof value === 'string') {
    return value === ''
      ? 'empty text'
      : `the text ${JSON.stringify(value.length > 40 ? `${value.slice(0, 39)}…` : value)}`
  }
  if (Array.isArray(value)) return 'a list'
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : 'a map'
}
