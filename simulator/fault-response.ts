import type { Edit } from './faults.ts'
import type { SimResponse } from './types.ts'

const usualCodes: Record<number, string> = {
  429: 'TooManyRequests',
  500: 'InternalServerError',
  502: 'BadGateway',
  503: 'serviceNotAvailable',
  504: 'UnknownError',
}

/** The answer that a fault of kind `status` asks for. */
export function faultResponse(effect: {
  status: number
  retryAfter?: string | undefined
  code?: string | undefined
  message?: string | undefined
  headers?: Record<string, string> | undefined
}): SimResponse {
  const { status, code, message, retryAfter, headers } = effect
  const seconds = /^date([+-]\d+)$/.exec(retryAfter ?? '')?.[1]
  const written =
    seconds === undefined ? retryAfter : new Date(Date.now() + Number(seconds) * 1000).toUTCString()
  return {
    ...failure(status, code ?? usualCodes[status] ?? 'UnknownError', message ?? 'A fault of the simulation.'),
    headers: { ...(written !== undefined && { 'retry-after': written }), ...headers },
  }
}

/** An error body as Graph writes it, without its ids. */
export function failure(status: number, code: string, message: string): SimResponse {
  return { status, headers: {}, body: { error: { code, message } } }
}

/** The answer as faults of kind `edit` make it, one after the other; an answer without JSON stays as it is. */
export function edited(response: SimResponse, edits: readonly Edit[]): SimResponse {
  return edits.reduce(editedOnce, response)
}

function editedOnce(response: SimResponse, edit: Edit): SimResponse {
  const { body } = response
  if (body === null || typeof body !== 'object') return response
  if (edit.whole !== undefined) return { ...response, body: edit.whole }
  const changed: Record<string, unknown> = { ...body }
  const { value } = changed
  if (Array.isArray(value)) {
    const objects = value.map((object: unknown) =>
      edit.each !== undefined && typeof object === 'object' ? { ...object, ...edit.each } : object,
    )
    changed['value'] = [...(edit.before ?? []), ...objects, ...(edit.behind ?? [])]
  }
  Object.assign(changed, edit.set)
  for (const name of edit.drop ?? []) Reflect.deleteProperty(changed, name)
  return { ...response, body: changed }
}
