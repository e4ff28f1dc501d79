import { setTimeout as sleep } from 'node:timers/promises'
import type { Kysely } from 'kysely'
import { listPreconsents, type Preconsent, type Step } from '../consent/preconsent/rows.ts'
import type { Database } from '../db/tables.ts'
import type { EntraSyncError } from '../errors.ts'
import type { Output } from './context.ts'
import { createProgressBar } from './progress-bar.ts'
import { recordLines } from './records.ts'
import { printable } from './text.ts'

export interface PreconsentAsked {
  entraTenantId: string
  name: string
  clientId: string
}

/** How the pre-consent of one customer ended, or how far it was when the command was stopped. */
export interface PreconsentOutcome extends PreconsentAsked {
  step: Step
  code: string | null
  message: string | null
  remedy: string | null
  requestId: string | null
}

const pollMs = 400
/** A worker that restarts is gone for some seconds; one that is away for longer was stopped. */
const missingPolls = 50

/**
 * Follows pre-consents in Postgres until each has ended. Throws `noWorker()` when the workers go away; ends early, with
 * the rest as far as they are, when `signal` aborts.
 */
export async function watchPreconsents(watch: {
  db: Kysely<Database>
  asked: PreconsentAsked[]
  missing: () => Promise<boolean>
  noWorker: () => EntraSyncError
  output: Output
  signal: AbortSignal
}): Promise<PreconsentOutcome[]> {
  const { db, asked, output, signal } = watch
  const bar = createProgressBar(process.stderr)
  const ended = new Set<string>()
  let outcomes: PreconsentOutcome[] = []
  let away = 0
  try {
    for (let polls = 1; ; polls += 1) {
      const seen = await look(db, asked)
      outcomes = seen.map(({ outcome }) => outcome)
      for (const { outcome, over } of seen) {
        if (!over || ended.has(outcome.entraTenantId)) continue
        ended.add(outcome.entraTenantId)
        const why = outcome.code === null ? '' : ` – ${printable(outcome.message ?? outcome.code)}`
        if (!output.json) bar.line(`${outcome.name}: ${outcome.step}${why}`)
      }
      const at = seen.filter(({ over, outcome }) => !over && outcome.step !== 'waiting')
      const names = at.map(({ outcome }) => `${outcome.name} (${outcome.step})`).join(', ')
      bar.show(ended.size / asked.length, `${ended.size}/${asked.length} done  ${names}`)
      if (ended.size === asked.length || signal.aborted) return outcomes
      if (polls % 10 === 0) away = (await watch.missing()) ? away + 10 : 0
      if (away >= missingPolls) throw watch.noWorker()
      await sleep(pollMs, undefined, { signal }).catch(() => undefined)
    }
  } finally {
    bar.done()
  }
}

async function look(
  db: Kysely<Database>,
  asked: PreconsentAsked[],
): Promise<{ outcome: PreconsentOutcome; over: boolean }[]> {
  const rows = await listPreconsents(
    db,
    asked.map(({ entraTenantId }) => entraTenantId),
  )
  const keyOf = ({ entraTenantId, clientId }: Pick<Preconsent, 'entraTenantId' | 'clientId'>): string =>
    `${entraTenantId} ${clientId}`
  const byKey = new Map(rows.map((row) => [keyOf(row), row]))
  return asked.map((one) => {
    const row = byKey.get(keyOf(one))
    return {
      // A row that is gone was purged with its Entra tenant: nobody will end it.
      over: row === undefined || row.finishedAt !== null,
      outcome: {
        ...one,
        step: row?.step ?? 'failed',
        code: row?.errorCode ?? null,
        message: row?.errorMessage ?? null,
        remedy: row?.errorRemedy ?? null,
        requestId: row?.errorRequestId ?? null,
      },
    }
  })
}

export function outcomeLines(outcomes: PreconsentOutcome[], width: number | null): string[] {
  return recordLines<PreconsentOutcome>(
    [
      { title: 'Customer', value: ({ name }) => name },
      { title: 'Pre-consent', value: ({ step }) => step },
      { title: 'Error', value: ({ step, code }) => (step === 'done' ? '' : (code ?? '')) },
      { title: 'What to do', value: ({ step, remedy }) => (step === 'done' ? '' : (remedy ?? '')) },
    ],
    outcomes,
    width,
  )
}
