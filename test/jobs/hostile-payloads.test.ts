import { expect, onTestFinished, test } from 'vitest'
import { catalog, isJobName, queueNames } from '../../src/jobs/catalog.ts'
import { startWorker } from '../../src/jobs/worker.ts'
import { tapLog } from '../faults/log-tap.ts'
import { testDatabase } from '../harness/database.ts'
import { backends, handlersWith, openTestQueues, quickWorker, until } from './support.ts'

const nested = (depth: number): unknown => JSON.parse('['.repeat(depth) + ']'.repeat(depth))
const wrong: [string, unknown][] = [
  ['a text', 'contoso.com'],
  ['a number', 7],
  ['an array', [[]]],
  ['a key of a megabyte', { ['k'.repeat(1_000_000)]: 1 }],
  ['ten thousand keys', Object.fromEntries(Array.from({ length: 10_000 }, (_, index) => [`key${index}`, 1]))],
  ['five megabytes', { requestedBy: 7, x: 'x'.repeat(5_000_000) }],
  ['deep', { x: nested(1000) }],
  ['keys of Object', JSON.parse('{"__proto__":{"mode":"full"},"constructor":{"prototype":{}}}')],
  ['lines and escapes', { 'a\r\n{"level":60}\u001b[2J': '\u001b[31m' }],
]
const names = [
  'constructor',
  '__proto__',
  "x'; drop table persons; --",
  'n'.repeat(100_000),
  'a\r\n\u001b[2J',
]

test.each(backends)(
  'on %s, what is no job fails once, in a short line, whatever its queue',
  async (backend) => {
    const database = await testDatabase()
    onTestFinished(() => database.drop())
    const queues = await openTestQueues(backend, database.url)
    onTestFinished(() => queues.close())
    const { log, lines } = tapLog()
    for (const queue of queueNames) {
      const worker = startWorker(
        { queues, handlers: handlersWith({}), log, beat: async () => {}, nameOf: async (id) => id },
        queue,
        { concurrency: 2, timings: quickWorker },
      )
      onTestFinished(() => worker.stop(5000))
      const known = Object.keys(catalog).filter((name) => isJobName(name) && catalog[name].queue === queue)
      const added = [
        ...known.flatMap((name) => wrong.map(([, data]) => [name, data, 'payload_invalid'] as const)),
        ...names.map((name) => [name, {}, 'job_unknown'] as const),
      ]
      for (const [name, data, code] of added) {
        const { id = '' } = await queues[queue].add(name, data, { attempts: 5 })
        const job = await until('the job to end', async () => {
          const now = await queues[queue].getJob(id)
          return now?.finishedOn === undefined ? null : now
        })
        expect({ tries: job.attemptsMade, reason: job.failedReason }).toEqual({
          tries: 1,
          reason: expect.stringMatching(new RegExp(`^${code} [^]{1,1900}$`)),
        })
      }
    }
    expect(lines.filter((line) => line.length > 10_000 || line.includes('\n'))).toEqual([])
    expect(lines.map((line) => typeof JSON.parse(line))).not.toContain('string')
    expect(Object.hasOwn(Object.prototype, 'mode')).toBe(false)
  },
)
