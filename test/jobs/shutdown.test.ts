import { describe, expect, it } from 'vitest'
import { createLog } from '../../src/log.ts'
import { createClosers, stopOnSignal } from '../../src/shutdown.ts'

const log = createLog({ level: 'silent', pretty: false })

describe('closers', () => {
  it('close in the opposite order, past one that fails', async () => {
    const closed: string[] = []
    const closers = createClosers(log)
    closers.add('first', () => void closed.push('first'))
    closers.add('second', async () => {
      throw new Error('second cannot close')
    })
    closers.add('third', async () => void closed.push('third'))
    await closers.closeAll()
    expect(closed).toEqual(['third', 'first'])
  })

  it('close once, however often they are asked', async () => {
    let count = 0
    const closers = createClosers(log)
    closers.add('one', () => void count++)
    await Promise.all([closers.closeAll(), closers.closeAll()])
    await closers.closeAll()
    expect(count).toBe(1)
  })
})

describe('stopOnSignal', () => {
  it('waits for the signal, then for the stop', async () => {
    const signal = new AbortController()
    const steps: string[] = []
    const done = stopOnSignal(async () => void steps.push('stopped'), signal.signal, log)
    steps.push('running')
    signal.abort('SIGTERM')
    await done
    expect(steps).toEqual(['running', 'stopped'])
  })

  it('stops at once for a signal that came while starting', async () => {
    let stopped = false
    await stopOnSignal(async () => void (stopped = true), AbortSignal.abort('SIGINT'), log)
    expect(stopped).toBe(true)
  })

  it('leaves with 1 when stopping takes longer than the deadline', async () => {
    const code = await new Promise<number>((resolve, reject) => {
      stopOnSignal(() => new Promise(() => {}), AbortSignal.abort('SIGTERM'), log, {
        deadlineMs: 20,
        leave: resolve,
      }).catch(reject)
    })
    expect(code).toBe(1)
  })
})
