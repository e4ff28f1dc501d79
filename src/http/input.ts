import { z } from 'zod'
import { EntraSyncError } from '../errors.ts'

/** A megabyte of wrong elements was answered by 25 MB of what is wrong with them. */
const mostIssues = 100

/** Input as `schema` says, or an error of kind `input` that names the fields and repeats none of their contents. */
export function parsed<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  const result = schema.safeParse(value)
  const found = result.success ? unfit(result.data) : result.error.issues
  if (result.success && found.length === 0) return result.data
  const issues = found
    .slice(0, mostIssues)
    .map(({ path, message }) => `${path.length === 0 ? '' : `${path.join('.')}: `}${message}`)
  const more = found.length > mostIssues ? `; and ${found.length - mostIssues} more` : ''
  throw new EntraSyncError('input', `${issues.join('; ')}${more}.`, {
    code: 'input_invalid',
    remedy: 'Correct what is named, then send it again.',
  })
}

interface Issue {
  path: PropertyKey[]
  message: string
}

/** A deployment of a document has 6 levels. JSON.stringify and Postgres's json overflow their stacks at some thousands. */
const deepest = 100

/**
 * Texts that Postgres cannot store or compare: `?search=a%00b` was a fault of ours (500) until it was refused here. And
 * what is nested so deep that writing it as JSON again would overflow the stack; so this looks without recursion.
 */
function unfit(data: unknown): Issue[] {
  const found: Issue[] = []
  const open: { path: PropertyKey[]; depth: number; value: unknown }[] = [{ path: [], depth: 0, value: data }]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { path, depth, value } = next
    if (typeof value === 'string') {
      if (value.includes('\0') || !value.isWellFormed())
        found.push({ path, message: 'has a NUL or half of a character in it' })
    } else if (value !== null && typeof value === 'object') {
      if (depth === deepest) {
        found.push({ path, message: `is nested more than ${deepest} levels deep` })
        continue
      }
      for (const [name, inner] of Object.entries(value)) {
        const deeper = path.length < 8 ? [...path, name] : path
        open.push({ path: deeper, depth, value: name }, { path: deeper, depth: depth + 1, value: inner })
      }
    }
  }
  return found
}

/** An id of ours or of Microsoft's, in lower case. */
export const uuid = z
  .guid('is no id as 11111111-2222-3333-4444-555555555555')
  .transform((id) => id.toLowerCase())
