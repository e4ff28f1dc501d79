/** One answered request. */
export interface RequestRecord {
  at: number
  method: string
  /** Path without tenant, `/v1.0` and query, ids as `{id}`: `/users/delta`, `/groups/{id}/members`. */
  kind: string
  /** Link as it was asked, without host. Page and delta tokens are the simulator's own and no secret. */
  url: string
  /** null: no tenant could be told from the request. */
  tenantId: string | null
  status: number
  units: number
}

/** What the cloud was asked since it started or was reset. */
export interface RequestLog {
  record(record: RequestRecord): void
  /** How often each kind of request was made, of one tenant or of all. */
  counts(tenantId?: string): Record<string, number>
  /** Answers by status. */
  statuses(tenantId?: string): Record<string, number>
  total: number
  /** Identity resource units charged in sum. */
  units: number
  tenantIds(): (string | null)[]
  /** The last 5,000, oldest first. */
  recent(): RequestRecord[]
  reset(): void
}

const kept = 5000

export function createRequestLog(): RequestLog {
  let recent: RequestRecord[] = []
  const tallies = new Map<string | null, { kinds: Map<string, number>; statuses: Map<string, number> }>()

  const sum = (field: 'kinds' | 'statuses', tenantId: string | undefined): Record<string, number> => {
    const total: Record<string, number> = {}
    for (const [id, tally] of tallies) {
      if (tenantId !== undefined && id !== tenantId) continue
      for (const [name, count] of tally[field]) total[name] = (total[name] ?? 0) + count
    }
    return total
  }

  const log: RequestLog = {
    total: 0,
    units: 0,
    record(record) {
      log.total += 1
      log.units += record.units
      recent.push(record)
      if (recent.length > kept * 2) recent = recent.slice(-kept)
      const tally = tallies.get(record.tenantId) ?? { kinds: new Map(), statuses: new Map() }
      tallies.set(record.tenantId, tally)
      tally.kinds.set(record.kind, (tally.kinds.get(record.kind) ?? 0) + 1)
      tally.statuses.set(String(record.status), (tally.statuses.get(String(record.status)) ?? 0) + 1)
    },
    counts: (tenantId) => sum('kinds', tenantId),
    statuses: (tenantId) => sum('statuses', tenantId),
    tenantIds: () => [...tallies.keys()],
    recent: () => recent.slice(-kept),
    reset() {
      log.total = 0
      log.units = 0
      recent = []
      tallies.clear()
    },
  }
  return log
}

/** Path with its ids taken out. */
export function kindOf(path: string): string {
  return path
    .replace(/\('[^']*'\)/g, "('{id}')")
    .replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(-[0-9a-f-]{36})?/gi, '{id}')
    .replace(/[^/]*@[^/]*/g, '{id}')
}
