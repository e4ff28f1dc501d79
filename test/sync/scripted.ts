import { pino } from 'pino'
import type { Kysely } from 'kysely'
import { collections } from '../../src/sync/collections.ts'
import type { SyncContext } from '../../src/sync/context.ts'
import type { Database } from '../../src/db/tables.ts'
import type { GraphClient } from '../../src/graph/client.ts'
import type { GraphPage } from '../../src/graph/paging.ts'
import { requestSync } from '../../src/sync/requests.ts'
import { runSync } from '../../src/sync/run.ts'

/** One page of a script: its objects, or what reading it throws, or something to do just before it is given. */
export type ScriptPage = object[] | Error | { before: () => Promise<void> | void; value: object[] }

/**
 * Graph's far end, page by page, for tests that must know exactly what came when. A round is a list of pages; each
 * collection has rounds to be read from its start and rounds to be read from the deltaLink before. Unscripted rounds
 * are one empty page, as a directory without changes gives; the list of SKUs stays as it was last.
 */
export class Script {
  readonly entraTenantId: string
  organizationId: string
  roles: string[] | undefined = []
  /** Answers of `$count` by path. */
  readonly counts: Record<string, number> = {}
  readonly requests: string[] = []
  private readonly rounds = new Map<string, ScriptPage[]>()
  private readonly next = new Map<string, ScriptPage[][]>()
  private serial = 0
  private lastSkus: ScriptPage[] = [[]]

  constructor(entraTenantId: string) {
    this.entraTenantId = entraTenantId
    this.organizationId = entraTenantId
  }

  /** Scripts the next round of a collection that is read from its start or from a deltaLink, whichever comes first. */
  round(collection: string, ...pages: ScriptPage[]): this {
    this.next.set(collection, [...(this.next.get(collection) ?? []), pages])
    return this
  }

  /** Forgets what of a collection's script was not read. */
  clear(collection: string): void {
    this.next.delete(collection)
  }

  client(): GraphClient {
    const requests = this.requests
    const read = (link: string) => this.read(link)
    const usage = { requests: 0, resourceUnits: 0, throttledMs: 0, retries: 0 }
    return {
      entraTenantId: this.entraTenantId,
      usage,
      get: async (path) => {
        usage.requests++
        requests.push(path)
        return { value: [{ id: this.organizationId, displayName: 'Contoso', verifiedDomains: [] }] }
      },
      count: async (path) => {
        requests.push(path)
        const count = this.counts[path]
        if (count === undefined) throw new Error('no such count in the script')
        return count
      },
      async *pages(start) {
        let link: string | null = start
        while (link !== null) {
          usage.requests++
          requests.push(link)
          const page: GraphPage = await read(link)
          link = page.nextLink
          yield page
        }
      },
      batch: async () => new Map(),
      claims: async () => (this.roles === undefined ? null : { roles: this.roles }),
    }
  }

  private async read(link: string): Promise<GraphPage> {
    if (link.startsWith('/users?')) return { link, value: [], nextLink: null, deltaLink: null }
    const start = collections.find((collection) => collection.start === link)
    const [name = '', round = '', page = '0'] = start ? [start.name] : link.split('/')
    let id = `${name}/${round}`
    if (start || page === 'delta') {
      id = `${name}/${++this.serial}`
      this.rounds.set(id, this.next.get(name)?.shift() ?? (name === 'skus' ? this.lastSkus : [[]]))
      if (name === 'skus') this.lastSkus = this.rounds.get(id) ?? [[]]
    }
    const pages = this.rounds.get(id) ?? []
    const index = start || page === 'delta' ? 0 : Number(page)
    const current = pages[index]
    if (current === undefined) throw new Error(`script has no page ${link}`)
    if (current instanceof Error) throw current
    if ('before' in current) await current.before()
    const last = index === pages.length - 1
    return {
      link,
      value: JSON.parse(JSON.stringify('before' in current ? current.value : current)),
      nextLink: last ? null : `${id}/${index + 1}`,
      deltaLink: last && name !== 'skus' ? `${id}/delta` : null,
    }
  }
}

/** A context over a script, with the design's defaults and a worker's name. */
export function scriptedContext(
  db: Kysely<Database>,
  script: Script,
  overrides: Partial<SyncContext> = {},
): SyncContext {
  return {
    db,
    graphFor: () => script.client(),
    log: pino({ level: 'silent' }),
    worker: 'worker-1',
    timings: { leaseMs: 60_000, renewMs: 15_000, sliceMs: 60_000 },
    guard: { holdMin: 5, holdPercent: 10, holdMax: 500 },
    appIdFor: () => '00000000-0000-4000-8000-00000000a001',
    intervals: { syncMs: 1_800_000, reconcileMs: 86_400_000 },
    ...overrides,
  }
}

/** Asks for a sync and runs it once. */
export async function syncOnce(
  context: SyncContext,
  entraTenantId: string,
  wish: { mode?: 'delta' | 'full'; collections?: string[] } = {},
) {
  await requestSync(context.db, { entraTenantId, requestedBy: 'test', priority: 10, ...wish })
  return runSync(context, entraTenantId)
}

/** A GUID that reads as its number. */
export function guid(number: number, family = 0): string {
  return `${family.toString(16).padStart(8, '0')}-0000-4000-8000-${number.toString(16).padStart(12, '0')}`
}

/** A user as Graph tells it. */
export function user(number: number, more: object = {}): object {
  return {
    id: guid(number, 1),
    userPrincipalName: `user${number}@contoso.example`,
    displayName: `User ${number}`,
    mail: `user${number}@contoso.example`,
    accountEnabled: true,
    assignedLicenses: [],
    ...more,
  }
}

export function removed(id: string, reason: 'changed' | 'deleted' = 'changed'): object {
  return { id, '@removed': { reason } }
}

export function group(number: number, members: object[] = [], more: object = {}): object {
  return {
    id: guid(number, 2),
    displayName: `Group ${number}`,
    groupTypes: [],
    mailEnabled: false,
    securityEnabled: true,
    resourceProvisioningOptions: [],
    'members@delta': members,
    ...more,
  }
}

export function member(userNumber: number, isRemoved = false): object {
  const entry = { '@odata.type': '#microsoft.graph.user', id: guid(userNumber, 1) }
  return isRemoved ? { ...entry, '@removed': { reason: 'deleted' } } : entry
}

export function sku(number: number): object {
  return {
    skuId: guid(number, 3),
    skuPartNumber: `SKU_${number}`,
    capabilityStatus: 'Enabled',
    appliesTo: 'User',
    consumedUnits: 1,
    prepaidUnits: { enabled: 10, suspended: 0, warning: 0 },
    servicePlans: [
      { servicePlanId: guid(number, 4), servicePlanName: `PLAN_${number}`, provisioningStatus: 'Success' },
    ],
  }
}

/** `count` numbers from 1 on. */
export function numbers(count: number, from = 1): number[] {
  return Array.from({ length: count }, (_, index) => from + index)
}
