import { randomBytes } from 'node:crypto'
import { steadyNow } from '../../clock.ts'

/** What an act has to say, shown once on the page after it. */
export interface Flash {
  tone: 'good' | 'bad'
  text: string
  /** Further lines: a remedy, what comes next. */
  more?: string[]
  /** A link to copy, as one for a customer's admin: shown this one time. */
  copy?: { label: string; text: string }
}

const lifetimeMs = 5 * 60_000
const most = 1000

/**
 * Keeps flashes between an act and the page that it redirects to: here and not in the URL, since a link in one is a
 * secret. Each is shown once, to whom it is meant for. `now` is in milliseconds.
 */
export function createFlashes(now: () => number = steadyNow) {
  const kept = new Map<string, { flash: Flash; name: string; until: number }>()
  return {
    /** @returns the id for the query of the redirect. */
    keep(flash: Flash, name: string): string {
      for (const [id, { until }] of kept) {
        if (until > now() && kept.size < most) break
        kept.delete(id)
      }
      const id = randomBytes(12).toString('base64url')
      kept.set(id, { flash, name, until: now() + lifetimeMs })
      return id
    },
    take(id: string, name: string): Flash | null {
      const found = kept.get(id)
      if (found === undefined || found.name !== name) return null
      kept.delete(id)
      return found.until > now() ? found.flash : null
    },
  }
}

export type Flashes = ReturnType<typeof createFlashes>
