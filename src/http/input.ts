import { z } from 'zod'
import { EntraSyncError } from '../errors.ts'

/** Input as `schema` says, or an error of kind `input` that names the fields and repeats none of their contents. */
export function parsed<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  const result = schema.safeParse(value)
  const found = result.success ? unstorable(result.data) : result.error.issues
  if (result.success && found.length === 0) return result.data
  const issues = found.map(
    ({ path, message }) => `${path.length === 0 ? '' : `${path.join('.')}: `}${message}`,
  )
  throw new EntraSyncError('input', `${issues.join('; ')}.`, {
    code: 'input_invalid',
    remedy: 'Correct what is named, then send it again.',
  })
}

interface Issue {
  path: PropertyKey[]
  message: string
}

/**
 * Texts that Postgres cannot store or compare: `?search=a%00b` was a fault of ours (500) until it was refused here. Not
 * recursive: a field that takes any JSON takes one that is a hundred thousand levels deep, too.
 */
function unstorable(data: unknown): Issue[] {
  const found: Issue[] = []
  const open: { path: PropertyKey[]; value: unknown }[] = [{ path: [], value: data }]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { path, value } = next
    if (typeof value === 'string') {
      if (value.includes('\0') || !value.isWellFormed())
        found.push({ path, message: 'has a NUL or half of a character in it' })
    } else if (value !== null && typeof value === 'object') {
      for (const [name, inner] of Object.entries(value)) {
        const deeper = path.length < 8 ? [...path, name] : path
        open.push({ path: deeper, value: name }, { path: deeper, value: inner })
      }
    }
  }
  return found
}

/** An id of ours or of Microsoft's, in lower case. */
export const uuid = z
  .guid('is no id as 11111111-2222-3333-4444-555555555555')
  .transform((id) => id.toLowerCase())
