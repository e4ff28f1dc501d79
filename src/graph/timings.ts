/** How long graph waits for what; milliseconds. Tests shorten them. */
export interface GraphTimings {
  /** Until a response's headers. */
  headersMs: number
  /** Until the last byte of a response's body, counted from the request. */
  pageMs: number
  /** Longest wait that a call sits out itself; beyond it the tenant gives its slot back (`throttled`). */
  maxInlineWaitMs: number
  /** Longest Retry-After that is believed. */
  maxRetryAfterMs: number
  /** First back-off; doubles with each attempt, with full jitter above half of it. */
  backoffMs: number
  /** A token is renewed this long before its end, or at half of its life if that is shorter. */
  renewBeforeMs: number
  /** Until the token endpoint has answered. */
  tokenMs: number
  /** Between attempts while a new certificate spreads through Entra (AADSTS700027). */
  certificateRetryMs: number
}

export const defaultTimings: GraphTimings = {
  headersMs: 30_000,
  pageMs: 120_000,
  maxInlineWaitMs: 10_000,
  maxRetryAfterMs: 15 * 60_000,
  backoffMs: 1_000,
  renewBeforeMs: 5 * 60_000,
  tokenMs: 30_000,
  certificateRetryMs: 10_000,
}

/** Sizes beyond which an answer or a listing is not believed. */
export interface GraphLimits {
  /** Decompressed bytes of one response. */
  maxResponseBytes: number
  maxPages: number
  /** Tokens kept at once, one an Entra tenant. */
  maxTokens: number
}

export const defaultLimits: GraphLimits = {
  maxResponseBytes: 64 * 1024 * 1024,
  maxPages: 100_000,
  maxTokens: 2_000,
}
