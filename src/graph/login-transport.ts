import type { INetworkModule, NetworkRequestOptions, NetworkResponse } from '@azure/msal-node'
import { z } from 'zod'
import { EntraSyncError } from '../errors.ts'
import { abortedError } from './abort.ts'
import { tokenResource } from './errors.ts'
import { readText } from './read-body.ts'

// An answer of the login service is a few kB.
const maxBytes = 1024 * 1024

/** An HTTP answer of the login service. */
export interface LoginAnswer {
  status: number
  retryAfter: string | null
  body: unknown
}

export interface LoginTransport extends INetworkModule {
  /**
   * What became of a token request, by its correlation id; asked once. MSAL keeps neither status nor headers of a
   * refusal and flattens every other error to "network error".
   */
  outcome(correlationId: string): LoginAnswer | EntraSyncError | undefined
}

/**
 * Carries MSAL's requests with global fetch (so NODE_EXTRA_CA_CERTS and proxies of the process apply). Client secrets
 * travel here: anything but the configured login origin is refused before a byte is sent, and redirects are not
 * followed.
 */
export function createLoginTransport(loginUrl: string, timeoutMs: number): LoginTransport {
  const outcomes = new Map<string, LoginAnswer | EntraSyncError>()

  async function send<T>(
    url: string,
    method: 'GET' | 'POST',
    options?: NetworkRequestOptions,
  ): Promise<NetworkResponse<T>> {
    const correlationId = options?.correlationId ?? ''
    try {
      const answer = await loginFetch(loginUrl, url, timeoutMs, {
        method,
        headers: options?.headers ?? {},
        ...(method === 'POST' ? { body: options?.body ?? '' } : {}),
      })
      outcomes.set(correlationId, answer)
      // MSAL reads what it needs and checks it; here it is unknown JSON of an object.
      const body = z.custom<T>((value) => typeof value === 'object' && value !== null).parse(answer.body)
      return { status: answer.status, headers: {}, body }
    } catch (error) {
      if (error instanceof EntraSyncError) outcomes.set(correlationId, error)
      throw error
    }
  }

  return {
    sendGetRequestAsync: (url, options) => send(url, 'GET', options),
    sendPostRequestAsync: (url, options) => send(url, 'POST', options),
    outcome(correlationId) {
      const outcome = outcomes.get(correlationId)
      outcomes.delete(correlationId)
      return outcome
    },
  }
}

/** One request to the login service. Throws transient for network faults, foreign_origin for another origin. */
export async function loginFetch(
  loginUrl: string,
  url: string,
  timeoutMs: number,
  init: { method: 'GET' | 'POST'; headers?: Record<string, string>; body?: string } = { method: 'GET' },
  signal?: AbortSignal,
): Promise<LoginAnswer> {
  if (!url.startsWith(`${loginUrl}/`) || new URL(url).origin !== new URL(loginUrl).origin) {
    throw new EntraSyncError('foreign_origin', `A token request was about to leave ${loginUrl}.`, {
      code: 'foreign_login',
      resource: tokenResource,
    })
  }
  const timeout = AbortSignal.timeout(timeoutMs)
  try {
    const response = await fetch(url, {
      ...init,
      redirect: 'manual',
      signal: signal ? AbortSignal.any([timeout, signal]) : timeout,
    })
    const text = await readText(response, maxBytes, tokenResource)
    return {
      status: response.status,
      retryAfter: response.headers.get('retry-after'),
      body: jsonOrText(text),
    }
  } catch (error) {
    if (error instanceof EntraSyncError) throw error
    if (signal?.aborted) throw abortedError(signal)
    throw new EntraSyncError('transient', `The login service ${new URL(loginUrl).host} did not answer.`, {
      code: timeout.aborted ? 'login_timeout' : 'login_unreachable',
      resource: tokenResource,
      remedy: 'Check DNS, proxy, firewall and (for a private cloud) NODE_EXTRA_CA_CERTS of this machine.',
      cause: error,
    })
  }
}

function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // Gateways answer in HTML; then the status alone says what happened.
    return text
  }
}
