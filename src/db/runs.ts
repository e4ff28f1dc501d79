import { sql, type Kysely } from 'kysely'
import type { Database } from './tables.ts'

export type Outcome = 'succeeded' | 'partial' | 'held' | 'failed' | 'fenced'

/** What a slice cost at Graph. */
export interface Usage {
  requests: number
  resourceUnits: number
  throttledMs: number
}

export async function insertRun(
  db: Kysely<Database>,
  run: { entraTenantId: string; trigger: string[]; mode: 'delta' | 'full' },
): Promise<string> {
  const { rows } = await sql<{ run_id: string }>`
    insert into sync_runs (entra_tenant_id, trigger, mode) values (${run.entraTenantId}, ${run.trigger}::text[], ${run.mode})
    returning run_id`.execute(db)
  const id = rows[0]?.run_id
  if (id === undefined) throw new TypeError('insert into sync_runs returned no row')
  return id
}

/** Adds a slice's part to its run: cost, and what became of each collection it touched. */
export async function noteSlice(
  db: Kysely<Database>,
  runId: string,
  slice: { usage: Usage; collections: Record<string, unknown> },
): Promise<Record<string, unknown>> {
  const { rows } = await sql<{ collections: Record<string, unknown> }>`
    update sync_runs set slices = slices + 1, requests = requests + ${slice.usage.requests},
      resource_units = resource_units + ${Math.round(slice.usage.resourceUnits)},
      throttled_ms = throttled_ms + ${Math.round(slice.usage.throttledMs)},
      collections = collections || ${JSON.stringify(slice.collections)}::jsonb
    where run_id = ${runId} returning collections`.execute(db)
  return rows[0]?.collections ?? slice.collections
}

export async function finishRun(
  db: Kysely<Database>,
  runId: string,
  end: {
    outcome: Outcome
    error?: { kind: string; code: string; message: string; requestId: string | undefined } | undefined
  },
): Promise<void> {
  await sql`
    update sync_runs set finished_at = now(), outcome = ${end.outcome}, error_kind = ${end.error?.kind ?? null},
      error_code = ${end.error?.code ?? null}, error_message = ${end.error?.message ?? null},
      error_request_id = ${end.error?.requestId ?? null}
    where run_id = ${runId}`.execute(db)
}
