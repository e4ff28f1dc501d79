import type { Context } from 'hono'
import { EntraSyncError } from '../errors.ts'

/**
 * The fields of a form; every field that occurs more than once as a list with `all`, else its last value.
 * @throws kind `input`, code `input_invalid`: the body is no form of the type that it says it is
 */
export async function formOf(context: Context, options: { all: boolean }): Promise<Record<string, unknown>> {
  try {
    return await context.req.parseBody(options)
  } catch (error) {
    // What fetch's formData() throws at a boundary that is missing or never comes.
    if (!(error instanceof TypeError)) throw error
    throw new EntraSyncError('input', 'The body is not the form that its Content-Type says it is.', {
      code: 'input_invalid',
      remedy: 'Send the form again as a browser does.',
      cause: error,
    })
  }
}

/** True where reading a body ended because its client went away or took too long: nobody is left to be answered. */
export function isCutOff(error: Error, { signal }: Request): boolean {
  return signal.aborted && 'code' in error && error.code === 'ECONNRESET' && error.message === 'aborted'
}
