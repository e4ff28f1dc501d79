import type { Effect } from './faults.ts'
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

/** The answer as a fault of kind `edit` makes it; any other leaves it alone, and so does an answer without JSON. */
export function edited(response: SimResponse, effect: Effect | null): SimResponse {
  const { body } = response
  if (effect?.kind !== 'edit' || body === null || typeof body !== 'object') return response
  if (effect.whole !== undefined) return { ...response, body: effect.whole }
  const changed: Record<string, unknown> = { ...body }
  const { value } = changed
  if (Array.isArray(value)) {
    const objects = value.map((object: unknown) =>
      effect.each !== undefined && typeof object === 'object' ? { ...object, ...effect.each } : object,
    )
    changed['value'] = [...(effect.before ?? []), ...objects, ...(effect.behind ?? [])]
  }
  Object.assign(changed, effect.set)
  for (const name of effect.drop ?? []) Reflect.deleteProperty(changed, name)
  return { ...response, body: changed }
}
