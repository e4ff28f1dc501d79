import { EntraSyncError } from '../errors.ts'

// Graph's own bodies are about 8 deep; JSON.parse itself takes any depth, but what walks the value later would not.
const maxDepth = 64

// 64 MiB of brackets cost JSON.parse 14 s and 2 GB, so long bodies are scanned before. A full page of users is 0.5 MB.
const unscannedLength = 4 * 1024 * 1024

/**
 * Parses a JSON body of Graph. Throws kind malformed for what is no JSON (gateways send HTML with 200), is nested
 * deeper than 64, or has keys that poison prototypes when objects are merged later.
 */
export function parseJson(text: string, resource: string): unknown {
  if (text.length > unscannedLength && nestsTooDeep(text)) throw tooDeep(resource)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw malformed('not_json', 'The answer is not JSON, or is cut short.', resource, error)
  }
  checkShape(value, resource)
  return value
}

function checkShape(root: unknown, resource: string): void {
  let level: object[] = isObject(root) ? [root] : []
  for (let depth = 1; level.length > 0; depth++) {
    if (depth > maxDepth) throw tooDeep(resource)
    const next: object[] = []
    for (const item of level) {
      if (Array.isArray(item)) {
        for (const value of item as unknown[]) if (isObject(value)) next.push(value)
        continue
      }
      for (const [key, value] of Object.entries(item) as [string, unknown][]) {
        if (key === '__proto__' || (key === 'constructor' && isObject(value) && 'prototype' in value))
          throw malformed(
            'forbidden_key',
            `The answer has the key ${key}, which Graph never sends.`,
            resource,
          )
        if (isObject(value)) next.push(value)
      }
    }
    level = next
  }
}

/** Whether brackets outside of strings nest deeper than allowed. */
function nestsTooDeep(text: string): boolean {
  let depth = 0
  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at)
    if (char === 0x22) {
      do at = text.indexOf('"', at + 1)
      while (at > 0 && isEscaped(text, at))
      // An unclosed string: JSON.parse says so.
      if (at < 0) return false
    } else if (char === 0x5b || char === 0x7b) {
      if (++depth > maxDepth) return true
    } else if (char === 0x5d || char === 0x7d) depth -= 1
  }
  return false
}

/** Whether an odd number of backslashes precedes. */
function isEscaped(text: string, at: number): boolean {
  let backslashes = 0
  while (text.charCodeAt(at - 1 - backslashes) === 0x5c) backslashes += 1
  return backslashes % 2 === 1
}

function tooDeep(resource: string): EntraSyncError {
  return malformed('json_too_deep', `The answer is nested deeper than ${maxDepth} levels.`, resource)
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

/** An EntraSyncError of kind malformed. */
export function malformed(code: string, message: string, resource?: string, cause?: unknown): EntraSyncError {
  return new EntraSyncError('malformed', message, {
    code,
    ...(resource === undefined ? {} : { resource }),
    ...(cause === undefined ? {} : { cause }),
    remedy:
      'The page was not written. It is read again in the next round; if it persists, report it with the request id.',
  })
}
