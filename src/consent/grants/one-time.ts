import { createHash, randomBytes } from 'node:crypto'

/** 256 random bits as 43 characters that are safe in links and cookies. */
export function newKey(): string {
  return randomBytes(32).toString('base64url')
}

/** Whether a text could be such a key: anything else is not worth a look into the database. */
export function looksLikeKey(text: string | null | undefined): text is string {
  return typeof text === 'string' && /^[\w-]{43}$/.test(text)
}

/** What is stored of a key: whoever reads the database can't use it. */
export function hashOf(key: string): Buffer {
  return createHash('sha256').update(key).digest()
}
