import type { SimResponse } from '../types.ts'

export function ok(body: unknown, headers: Record<string, string> = {}): SimResponse {
  return { status: 200, headers, body }
}

/** An error body as Graph writes it; the ids and the date come in where the answer is sent. */
export function failure(
  status: number,
  code: string,
  message: string,
  headers: Record<string, string> = {},
): SimResponse {
  return { status, headers, body: { error: { code, message } } }
}

export const badRequest = (message: string): SimResponse => failure(400, 'Request_BadRequest', message)

export const unsupportedQuery = (message: string): SimResponse =>
  failure(400, 'Request_UnsupportedQuery', message)

export const denied = (): SimResponse =>
  failure(403, 'Authorization_RequestDenied', 'Insufficient privileges to complete the operation.')

export const unknownSegment = (segment: string): SimResponse =>
  failure(400, 'BadRequest', `Resource not found for the segment '${segment}'.`)

export const noObject = (id: string): SimResponse =>
  failure(
    404,
    'Request_ResourceNotFound',
    `Resource '${id}' does not exist or one of its queried reference-property objects are not present.`,
  )

export const text = (body: string): SimResponse => ({
  status: 200,
  headers: { 'content-type': 'text/plain' },
  body,
})
