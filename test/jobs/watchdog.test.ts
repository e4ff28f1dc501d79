import { describe, expect, onTestFinished, test } from 'vitest'
import type { JobWorker } from '../../src/jobs/queues.ts'
import { startWorker } from '../../src/jobs/worker.ts'
import { testDatabase } from '../harness/database.ts'
import { backends, handlersWith, log, openTestQueues, quickWorker, until } from './support.ts'

const watchdog = { lookMs: 50, idleMs: 200 }

describe.each(backends)('on %s', (backend) => {
  /** A worker of the queue `control`, the BullMQ workers that it has had, and what it has done. */
  async function watched({ stuck = false }: { stuck?: boolean } = {}) {
    const database = await testDatabase()
    onTestFinished(() => database.drop())
    const queues = await openTestQueues(backend, database.url)
    onTestFinished(() => queues.close())
    const opened: JobWorker[] = []
    let beats = 0
    let done = 0
    const worker = startWorker(
      {
        queues: {
          ...queues,
          openWorker(name, processor, options) {
            const one = queues.openWorker(name, processor, options)
            if (stuck) void one.pause(true)
            opened.push(one)
            return one
          },
        },
        handlers: handlersWith({
          housekeeping: async () => {
            done += 1
            return { job: 'completed', result: 'done', again: 'never' }
          },
        }),
        log,
        beat: async () => void (beats += 1),
        nameOf: async (id) => id,
      },
      'control',
      { concurrency: 2, timings: quickWorker, watchdog },
    )
    onTestFinished(() => worker.stop(500))
    await worker.ready
    return { queues, worker, opened, done: () => done, beats: () => beats }
  }
  const someLooks = () => new Promise((resolve) => setTimeout(resolve, 6 * watchdog.lookMs))

  test('a worker that stands still, all connections up, is made anew and the jobs are done', async () => {
    const { queues, worker, opened, done, beats } = await watched()
    await queues.control.add('housekeeping', {})
    await until('a job', async () => done() === 1)
    // Behind our back: it runs, its connections are up, it takes nothing.
    await opened[0]?.pause(true)
    expect(opened[0]?.isRunning()).toBe(true)
    for (let n = 0; n < 3; n++) await queues.control.add('housekeeping', {})
    await until('the waiting jobs', async () => done() === 4)
    expect(opened).toHaveLength(2)
    expect(worker.ok()).toBe(true)
    const before = beats()
    await until('a heartbeat', async () => beats() > before)
  })

  test('so is one that leaves delayed jobs lie when their time has come', async () => {
    const { queues, worker, opened, done } = await watched()
    await queues.control.add('housekeeping', {})
    await until('a job', async () => done() === 1)
    await opened[0]?.pause(true)
    await queues.control.add('housekeeping', {}, { delay: 100 })
    await until('the job whose time has come', async () => done() === 2)
    expect(opened).toHaveLength(2)
    expect(worker.ok()).toBe(true)
    // Nobody is made anew for a job whose time is to come.
    await queues.control.add('housekeeping', {}, { delay: 3_600_000 })
    await someLooks()
    expect(opened).toHaveLength(2)
  })

  test('one that stands still again and again says so, and its heart does not beat', async () => {
    const { queues, worker, beats } = await watched({ stuck: true })
    await queues.control.add('housekeeping', {})
    await until('it to be told', async () => !worker.ok())
    const before = beats()
    await someLooks()
    expect(beats()).toBe(before)
    // Nothing waits any more: nothing is wrong.
    await queues.control.drain(true)
    await until('it to be well', async () => worker.ok() && beats() > before)
  })

  test('a queue that an operator has paused is no fault of the worker, and no progress either', async () => {
    const { queues, worker, opened, beats } = await watched()
    await queues.control.pause()
    await queues.control.add('housekeeping', {})
    await someLooks()
    const before = beats()
    await someLooks()
    expect(opened).toHaveLength(1)
    expect(worker.ok()).toBe(true)
    expect(beats()).toBe(before)
    await queues.control.resume()
    await until('a heartbeat', async () => beats() > before)
  })
})
