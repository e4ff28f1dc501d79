import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import fc from 'fast-check'
import { sql, type Kysely } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openDatabase } from '../../../src/db/connection.ts'
import { openFeedBell } from '../../../src/db/feed-bell.ts'
import type { Database } from '../../../src/db/tables.ts'
import { readChanges, readFeedEnds, type TargetChange } from '../../../src/db/target-feed.ts'
import { createLog } from '../../../src/log.ts'
import { followChanges } from '../../../src/targets/follow.ts'
import { testDatabase, type TestDatabase } from '../../harness/database.ts'
import {
  applyChange,
  changeTargets,
  families,
  snapshotOf,
  subjectsOfFamily,
  type Deed,
  type Targets,
} from './world.ts'

const log = createLog({ level: 'silent', pretty: false })
let database: TestDatabase
let db: Kysely<Database>

beforeEach(async () => {
  database = await testDatabase()
  db = database.db
})
afterEach(() => database.drop())

/** How a transaction ends: well, taken back, killed before its commit, or killed at any moment. */
type Ending = 'commit' | 'rollback' | 'killed' | 'killed any time'

interface Script {
  family: number
  deeds: Deed[]
  ending: Ending
}

const script: fc.Arbitrary<Script> = fc.record({
  family: fc.constantFrom(...families),
  deeds: fc.array(
    fc.record({
      subject: fc.nat({ max: subjectsOfFamily - 1 }),
      item: fc.nat({ max: 2 }),
      dice: fc.nat({ max: 5 }),
    }),
    { minLength: 1, maxLength: 6 },
  ),
  ending: fc.oneof(
    { weight: 5, arbitrary: fc.constant<Ending>('commit') },
    { weight: 1, arbitrary: fc.constantFrom<Ending>('rollback', 'killed', 'killed any time') },
  ),
})

/** Which runs surely are in the feed, and which surely are not. */
interface Runs {
  committed: Set<string>
  undone: Set<string>
}

/** Transactions one after the other, on one connection; one that is to be killed has its own, lest the kill hit the next. */
async function writer(scripts: readonly Script[], runs: Runs): Promise<void> {
  const open = () => openDatabase(database.url, { max: 1, onError: () => {} })
  const lasting = open()
  try {
    for (const one of scripts) {
      const own = one.ending.startsWith('killed') ? open() : lasting
      await perform(own, one, runs)
      if (own !== lasting) await own.destroy()
    }
  } finally {
    await lasting.destroy()
  }
}

async function perform(own: Kysely<Database>, { family, deeds, ending }: Script, runs: Runs): Promise<void> {
  const runId = randomUUID()
  const kill = (pid: number) => sql`select pg_terminate_backend(${pid}::int, 10000)`.execute(db)
  let killing: Promise<unknown> | undefined
  try {
    await own.transaction().execute(async (trx) => {
      const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(trx)
      const pid = rows[0]?.pid ?? 0
      await changeTargets(trx, runId, family, deeds, () => {
        if (ending === 'killed any time') killing = kill(pid)
      })
      if (ending === 'rollback') throw new Error('taken back')
      if (ending === 'killed') await kill(pid)
    })
    runs.committed.add(runId)
    if (ending === 'rollback' || ending === 'killed') throw new Error(`${ending} has committed`)
  } catch (error) {
    if (ending === 'commit') throw error
    if (ending !== 'killed any time') runs.undone.add(runId)
  }
  await killing
}

interface Reader {
  seq: number
  told: TargetChange[]
  targets: Targets
  ended: Promise<void>
}

/** A reader from a seq and its targets on; ends at a gap, a repetition, and what does not fit what it has. */
function read(
  { seq, targets }: { seq: number; targets: Targets },
  feed: (from: number) => AsyncIterable<TargetChange[]>,
): Reader {
  const reader: Reader = { seq, told: [], targets, ended: Promise.resolve() }
  reader.ended = (async () => {
    for await (const page of feed(seq)) {
      for (const change of page) {
        if (change.seq !== reader.seq + 1) throw new Error(`${change.seq} came after ${reader.seq}`)
        applyChange(reader.targets, change)
        reader.seq = change.seq
        reader.told.push(change)
      }
    }
  })()
  reader.ended.catch(() => {})
  return reader
}

const fromNothing = () => ({ seq: 0, targets: new Map() as Targets })

/** Reads as fast as it can, in small pages, until it has what `until` says, once that is known. */
async function* poll(own: Kysely<Database>, from: number, until: () => number | null) {
  for (let after = from; after !== until();) {
    const page = await readChanges(own, { after, max: 3 })
    yield page.changes
    after = page.next
  }
}

/** Listens only: the clock would hide a NOTIFY that came too early. */
async function* listen(bell: ReturnType<typeof openFeedBell>, from: number, until: Promise<number>) {
  const stop = new AbortController()
  let end: number | null = null
  let after = from
  until.then(
    (seq) => {
      end = seq
      if (after === end) stop.abort()
    },
    () => stop.abort(),
  )
  const { signal } = stop
  for await (const page of followChanges(db, { bell, after, signal, log, lookMs: 3_600_000 })) {
    yield page
    after = page.at(-1)?.seq ?? after
    if (after === end) return
  }
}

test('whatever becomes of the writers, each reader gets each committed change once and in order', async () => {
  const bell = openFeedBell(database.url, log)
  const own = openDatabase(database.url, { max: 6, onError: () => {} })
  const all = fc.array(fc.array(script, { minLength: 8, maxLength: 20 }), { minLength: 3, maxLength: 6 })
  try {
    await fc.assert(
      fc.asyncProperty(all, async (writers) => {
        await sql`truncate target_changes, deployment_targets`.execute(db)
        await sql`update target_feed set last_seq = 0, floor_seq = 0`.execute(db)
        const runs: Runs = { committed: new Set(), undone: new Set() }
        const state: { end: number | null; failed: boolean } = { end: null, failed: false }
        const done = Promise.all(writers.map((scripts) => writer(scripts, runs))).then(
          async () => (state.end = (await readFeedEnds(db)).lastSeq),
        )
        done.catch(() => (state.failed = true))
        const until = (): number | null => {
          if (state.failed) throw new Error('a writer failed')
          return state.end
        }
        const readers = [
          ...[1, 2].map(() => read(fromNothing(), (from) => poll(own, from, until))),
          ...[1, 2].map(() => read(fromNothing(), (from) => listen(bell, from, done))),
        ]
        const snapshots = []
        for (let n = 0; state.end === null && !state.failed; n++) {
          const { seq, targets } = await snapshotOf(own)
          snapshots.push({ seq, targets: new Map(targets) })
          if (n % 5 === 0 && readers.length < 8)
            readers.push(read({ seq, targets }, (from) => poll(own, from, until)))
        }
        const last = await done
        await Promise.all(readers.map(({ ended }) => ended))

        const table = await snapshotOf(db)
        expect(table.seq).toBe(last)
        for (const reader of readers) expect(reader.targets).toEqual(table.targets)
        const [told = []] = readers.map((reader) => reader.told)
        const feed = (await readChanges(db, { after: 0, max: 1_000_000 })).changes
        expect(told).toEqual(feed)
        expect(feed.length).toBe(last)
        expect(
          at(
            told,
            snapshots.map(({ seq }) => seq),
          ),
        ).toEqual(snapshots.map(({ targets }) => targets))
        const inFeed = new Set(told.map(({ runId }) => runId))
        expect([...runs.committed].filter((runId) => !inFeed.has(runId))).toEqual([])
        expect([...runs.undone].filter((runId) => inFeed.has(runId))).toEqual([])
      }),
      // A run differs from the next by its timing, so that what is shrunk proves nothing.
      { numRuns: 5, endOnFailure: true },
    )
  } finally {
    await bell.close()
    await own.destroy()
  }
})

/** The targets to which the changes up to each of `seqs`, which rise, lead from nothing. */
function at(changes: readonly TargetChange[], seqs: readonly number[]): Targets[] {
  const targets: Targets = new Map()
  let n = 0
  return seqs.map((seq) => {
    for (; n < seq; n++) applyChange(targets, changes[n] as TargetChange)
    return new Map(targets)
  })
}

test('a writer process killed in mid-transaction leaves no gap and locks nobody out', async () => {
  const runs: Runs = { committed: new Set(), undone: new Set() }
  let end: number | null = null
  const reader = read(fromNothing(), (from) => poll(db, from, () => end))
  for (let kill = 1; kill <= 3; kill++) {
    const child = spawn(process.execPath, ['test/targets/feed/writer-process.ts', database.url], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    const gone = once(child, 'exit')
    let writes = 0
    for await (const line of createInterface(child.stdout)) {
      const [what, runId = ''] = line.split(' ')
      if (what === 'committed') runs.committed.add(runId)
      // At once after it has appended: mostly before its commit, which nobody can tell from here.
      else if (++writes === 5 * kill) child.kill('SIGKILL')
    }
    expect((await gone)[1]).toBe('SIGKILL')
    await writer([{ family: kill, deeds: [{ subject: 0, item: 0, dice: 1 }], ending: 'commit' }], runs)
  }
  end = (await readFeedEnds(db)).lastSeq
  await reader.ended
  expect(reader.targets).toEqual((await snapshotOf(db)).targets)
  const inFeed = new Set(reader.told.map(({ runId }) => runId))
  expect(runs.committed.size).toBeGreaterThan(20)
  expect([...runs.committed].filter((runId) => !inFeed.has(runId))).toEqual([])
})
