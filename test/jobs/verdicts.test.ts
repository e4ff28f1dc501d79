import { describe, expect, it } from 'vitest'
import { EntraSyncError, type ErrorKind } from '../../src/errors.ts'
import { verdictOfError, verdictOfRun } from '../../src/jobs/verdicts.ts'
import type { RunResult } from '../../src/sync/context.ts'

const runId = '5b1d7c9e-0000-4000-8000-000000000000'
const error = (kind: ErrorKind, retryAt?: Date): EntraSyncError =>
  new EntraSyncError(kind, 'What happened.', { code: 'some_code', ...(retryAt && { retryAt }) })
const run = (facts: Partial<RunResult> & Pick<RunResult, 'status'>): RunResult => ({
  moreRequested: false,
  summary: {},
  runId,
  ...facts,
})

describe('the verdict on a run', () => {
  it.each(['succeeded', 'held'] as const)('completes the job of a run that %s', (outcome) => {
    expect(verdictOfRun(run({ status: 'finished', outcome }))).toEqual({
      job: 'completed',
      result: `run ${runId} ${outcome}`,
      again: 'now',
    })
  })

  it.each(['failed', 'partial'] as const)('fails the job of a run that %s, and backs off', (outcome) => {
    const retryAt = new Date(1)
    const cause = error('access_lost')
    expect(verdictOfRun(run({ status: 'finished', outcome, error: cause, retryAt }))).toEqual({
      job: 'failed',
      error: cause,
      again: 'back-off',
      retryAt,
    })
  })

  it('goes on after a yield, leaves a busy tenant to its worker, asks a little later when fenced', () => {
    expect(verdictOfRun(run({ status: 'yielded' }))).toMatchObject({ job: 'completed', again: 'continue' })
    expect(verdictOfRun(run({ status: 'busy' }))).toEqual({
      job: 'completed',
      result: `joined run ${runId}`,
      again: 'never',
    })
    expect(verdictOfRun(run({ status: 'nothing' }))).toMatchObject({ job: 'completed', again: 'never' })
    expect(verdictOfRun(run({ status: 'fenced' }))).toMatchObject({ job: 'completed', again: 'soon' })
  })

  it('gives the slot of a throttled tenant back until Microsoft allows more', () => {
    const retryAt = new Date(Date.now() + 90_000)
    expect(verdictOfRun(run({ status: 'throttled', retryAt }))).toMatchObject({
      job: 'delayed',
      until: retryAt,
    })
  })
})

describe('the verdict on an error', () => {
  const fates: Record<ErrorKind, string> = {
    config: 'failed back-off',
    input: 'failed never',
    throttled: 'delayed',
    transient: 'failed back-off',
    access_lost: 'failed back-off',
    not_permitted: 'failed back-off',
    not_found: 'failed never',
    reset: 'failed back-off',
    restart: 'failed back-off',
    malformed: 'failed back-off',
    foreign_origin: 'failed back-off',
    wrong_tenant: 'failed back-off',
    fenced: 'completed soon',
    aborted: 'completed continue',
    database: 'failed back-off',
    queue: 'failed back-off',
  }

  it.each(Object.entries(fates) as [ErrorKind, string][])('of kind %s is %s', (kind, fate) => {
    const verdict = verdictOfError(error(kind))
    expect('again' in verdict ? `${verdict.job} ${verdict.again}` : verdict.job).toBe(fate)
  })

  it('calls what is no error of ours a fault of ours, and keeps it as the cause', () => {
    const thrown = new RangeError('out of range')
    const verdict = verdictOfError(thrown)
    expect(verdict).toMatchObject({ job: 'failed', error: { code: 'internal_error', cause: thrown } })
    expect(verdictOfError('text')).toMatchObject({ job: 'failed', error: { message: 'text' } })
  })

  it('waits half a minute where a throttling names no time', () => {
    const verdict = verdictOfError(error('throttled'))
    expect(verdict.job).toBe('delayed')
    if (verdict.job !== 'delayed') return
    expect(verdict.until.getTime() - Date.now()).toBeGreaterThan(25_000)
    expect(verdict.until.getTime() - Date.now()).toBeLessThanOrEqual(30_000)
  })
})
