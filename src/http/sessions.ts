import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { steadyNow } from '../clock.ts'
import type { OpsRole, OpsToken } from '../config.ts'

/** Somebody who has shown an ops token. `name` says in logs which one without telling it. */
export interface SignedIn {
  role: OpsRole
  name: string
}

const lifetimeMs = 8 * 3600_000
/** A bound, so that a script that signs in again and again can't eat the memory. The oldest goes first. */
const mostSessions = 1000

/**
 * Sessions of the console: random ids kept here only, so a restart signs everybody out and a cookie can't be forged.
 * `now` is in milliseconds.
 */
export function createSessions(now: () => number = steadyNow) {
  const sessions = new Map<string, { signedIn: SignedIn; endsAt: number }>()
  return {
    lifetimeMs,
    /** @returns the id for the cookie. */
    open(signedIn: SignedIn): string {
      const id = randomBytes(32).toString('base64url')
      for (const [key, session] of sessions) {
        if (session.endsAt > now() && sessions.size < mostSessions) break
        sessions.delete(key)
      }
      sessions.set(digest(id), { signedIn, endsAt: now() + lifetimeMs })
      return id
    },
    find(id: string): SignedIn | null {
      const session = sessions.get(digest(id))
      return session !== undefined && session.endsAt > now() ? session.signedIn : null
    },
    close(id: string): void {
      sessions.delete(digest(id))
    },
  }
}

export type Sessions = ReturnType<typeof createSessions>

/** Compares against every token in constant time: hashes have one length, and no comparison is left out. */
export function signedInByToken(tokens: OpsToken[], given: string): SignedIn | null {
  const wanted = Buffer.from(digest(given), 'hex')
  let found: SignedIn | null = null
  for (const { token, role } of tokens) {
    const hash = digest(token)
    if (timingSafeEqual(Buffer.from(hash, 'hex'), wanted))
      found = { role, name: `${role} ${hash.slice(0, 6)}` }
  }
  return found
}

export function sameSecret(one: string, other: string): boolean {
  return timingSafeEqual(Buffer.from(digest(one), 'hex'), Buffer.from(digest(other), 'hex'))
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
