import { sql, type Kysely } from 'kysely'
import { expect, test } from 'vitest'
import type { Database } from '../../src/db/tables.ts'
import { cutFeed, readFeedEnds } from '../../src/db/target-feed.ts'
import { changeOnce, itemId, snapshotOf, tenants } from '../targets/feed/world.ts'
import { startTestHttp, viewerToken } from './start.ts'

async function start() {
  const { url, database } = await startTestHttp()
  const { db } = database
  await sql`insert into tenants (tenant_id, name, slug) values (${tenants[0]}, 'Contoso', 'contoso'),
    (${tenants[1]}, 'Fabrikam', 'fabrikam')`.execute(db)
  await sql`insert into maintenance_items (item_id, name) values (${itemId(0)}, 'AutoCAD')`.execute(db)
  const headers = { Authorization: `Bearer ${viewerToken}` }
  const ask = async (path: string) => {
    const answer = await fetch(`${url}/api/v1${path}`, { headers })
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> }
  }
  /** Reads a stream, event by event. */
  const follow = async (path: string, more: Record<string, string> = {}) => {
    const stop = new AbortController()
    const answer = await fetch(`${url}/api/v1/target-changes/stream${path}`, {
      headers: { ...headers, ...more },
      signal: stop.signal,
    })
    return { answer, next: eventsOf(answer.ok ? answer : new Response(null)), close: () => stop.abort() }
  }
  return { db, ask, follow }
}

interface Event {
  id?: string
  event?: string
  data?: Record<string, unknown>
}

/** The next event; null = the stream has ended. Comments are passed over. */
function eventsOf(answer: Response): () => Promise<Event | null> {
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  return async () => {
    for (;;) {
      const end = text.indexOf('\n\n')
      if (end >= 0) {
        const lines = text.slice(0, end).split('\n')
        text = text.slice(end + 2)
        if (lines.every((line) => line.startsWith(':'))) continue
        const field = (name: string) =>
          lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2)
        const [id, event, data] = [field('id'), field('event'), field('data')]
        return {
          ...(id !== undefined && { id }),
          ...(event !== undefined && { event }),
          ...(data !== undefined && { data: JSON.parse(data) as Record<string, unknown> }),
        }
      }
      const read = await reader?.read()
      if (read === undefined || read.done) return null
      text += read.value
    }
  }
}

const change = (db: Kysely<Database>, dice: number, item = 0) => changeOnce(db, [{ subject: 0, item, dice }])

test('changes after a seq, of all tenants or of one, and where to go on', async () => {
  const { db, ask } = await start()
  for (const dice of [2, 4, 1]) await change(db, dice)
  expect(await ask('/target-changes?max=2')).toMatchObject({
    status: 200,
    body: {
      items: [
        {
          seq: 1,
          change: 'assigned',
          tenant: 'Contoso',
          item: 'AutoCAD',
          before: null,
          after: { version: '2.0' },
        },
        {
          seq: 2,
          change: 'changed',
          before: { version: '2.0' },
          after: { version: '4.0' },
          reason: { by: 'tag' },
        },
      ],
      next: 2,
      lastSeq: 4,
    },
  })
  expect(await ask(`/target-changes?tenantId=${tenants[1]}`)).toMatchObject({
    body: { items: [{ seq: 4, tenant: 'Fabrikam' }], next: 4 },
  })
  expect((await ask('/target-changes?tenantId=99999999-0000-4000-8000-000000000001')).status).toBe(404)
  for (const wrong of ['?after=-1', '?after=x', '?max=0', '?max=100000', '?tenantId=x'])
    expect((await ask(`/target-changes${wrong}`)).status).toBe(400)
})

test('a reader who is too far back, or ahead, is sent to the snapshot', async () => {
  const { db, ask, follow } = await start()
  for (const dice of [2, 4]) await change(db, dice)
  await sql`update target_changes set at = now() - interval '91 days' where seq = 1`.execute(db)
  await cutFeed(db, 90, 10)
  for (const [after, error] of [
    [0, 'feed_truncated'],
    [99, 'feed_rewound'],
  ]) {
    const refused = { error, remedy: expect.stringContaining('snapshot') }
    expect(await ask(`/target-changes?after=${after}`)).toMatchObject({ status: 409, body: refused })
    const { answer } = await follow('', { 'Last-Event-ID': String(after) })
    expect(answer.status).toBe(409)
    expect(await answer.json()).toMatchObject(refused)
  }
  const { answer } = await follow('', { 'Last-Event-ID': 'abc' })
  expect(answer.status).toBe(400)
})

test('the snapshot comes in pages that tell the seq of the first', async () => {
  const { db, ask } = await start()
  for (const item of [0, 1, 2]) await change(db, 2, item)
  const { seq, targets } = await snapshotOf(db)
  const first = await ask('/target-snapshot?limit=2')
  expect(first).toMatchObject({ status: 200, body: { seq, items: [{}, {}], nextCursor: expect.any(String) } })
  await change(db, 4, 2)
  const second = await ask(`/target-snapshot?limit=2&cursor=${String(first.body['nextCursor'])}`)
  expect(second.body).toMatchObject({ seq, items: [{ version: '4.0' }], nextCursor: null })
  const items = [first, second].flatMap(
    ({ body }) => body['items'] as { subjectId: string; itemId: string }[],
  )
  expect(items.map(({ subjectId, itemId: item }) => `${subjectId} ${item}`).sort()).toEqual(
    [...targets.keys()].sort(),
  )
  expect((await ask(`/target-snapshot?tenantId=${tenants[1]}`)).body).toMatchObject({ items: [] })
})

test('a stream tells what comes, and one that reconnects goes on where it was', async () => {
  const { db, follow } = await start()
  await change(db, 2)
  const now = await follow('')
  expect(now.answer.headers.get('content-type')).toBe('text/event-stream')
  await change(db, 4)
  expect(await now.next()).toMatchObject({ id: '2', data: { seq: 2, change: 'changed', item: 'AutoCAD' } })
  now.close()
  await change(db, 1)
  const again = await follow('?after=0', { 'Last-Event-ID': '2' })
  expect(await again.next()).toMatchObject({ id: '3', data: { change: 'unassigned', tenant: 'Contoso' } })
  expect(await again.next()).toMatchObject({ id: '4', data: { change: 'assigned', tenant: 'Fabrikam' } })
  again.close()
  const one = await follow(`?after=0&tenantId=${tenants[1]}`)
  expect(await one.next()).toMatchObject({ id: '4' })
  one.close()
})

test('a reader who goes away leaves no connection behind', async () => {
  const { db, follow } = await start()
  const listeners = async (): Promise<number | undefined> => {
    const { rows } = await sql<{ count: number }>`
      select count(*)::int as count from pg_stat_activity
      where datname = current_database() and application_name = 'entra-sync feed'`.execute(db)
    return rows[0]?.count
  }
  const streams = [await follow(''), await follow('')]
  await expect.poll(listeners).toBe(1)
  for (const { close } of streams) close()
  await expect.poll(listeners).toBe(0)
})

test('a stream whose feed can no longer be read tells so, and ends', async () => {
  const { db, follow } = await start()
  const stream = await follow('')
  await change(db, 2)
  expect(await stream.next()).toMatchObject({ id: '1' })
  await sql`update target_feed set last_seq = 0`.execute(db)
  await sql`notify entra_sync_target_changes`.execute(db)
  expect(await stream.next()).toEqual({
    event: 'error',
    data: { error: 'feed_rewound', message: expect.any(String), remedy: expect.stringContaining('snapshot') },
  })
  expect(await stream.next()).toBeNull()
  expect((await readFeedEnds(db)).lastSeq).toBe(0)
})
