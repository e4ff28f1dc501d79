import { z } from 'zod'
import { EntraSyncError } from '../errors.ts'

/** Input as `schema` says, or an error of kind `input` that names the fields and repeats none of their contents. */
export function parsed<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const issues = result.error.issues.map(
    ({ path, message }) => `${path.length === 0 ? '' : `${path.join('.')}: `}${message}`,
  )
  throw new EntraSyncError('input', `${issues.join('; ')}.`, {
    code: 'input_invalid',
    remedy: 'Correct what is named, then send it again.',
  })
}

/** An id of ours or of Microsoft's, in lower case. */
export const uuid = z
  .guid('is no id as 11111111-2222-3333-4444-555555555555')
  .transform((id) => id.toLowerCase())
