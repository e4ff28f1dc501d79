import { DelayedError, UnrecoverableError, type Job } from 'bullmq'
import { z } from 'zod'
import { steadyNow } from '../clock.ts'
import { describeError, EntraSyncError } from '../errors.ts'
import type { Log } from '../log.ts'
import { catalog, isJobName, isQuiet, type Handlers, type JobName, type QueueName } from './catalog.ts'
import type { JobHelpers } from './helpers.ts'
import { progressReporter } from './progress.ts'
import { adding, type JobProcessor, type JobWorker, type Queues, type WorkerTimings } from './queues.ts'
import { jobText } from './text.ts'
import { verdictOfError, type Verdict } from './verdicts.ts'
import { watchWorker, type WatchdogTimings } from './watchdog.ts'

export interface WorkerContext {
  queues: Queues
  handlers: Handlers
  log: Log
  /** Notes that the worker of a queue makes progress. */
  beat(queue: QueueName): Promise<void>
  /** Name of an Entra tenant or a tenant for messages; its id where nothing better is known. Never throws. */
  nameOf(id: string): Promise<string>
}

export interface RunningWorker {
  /** Resolves when it claims jobs. */
  ready: Promise<void>
  queue: QueueName
  /** False = it takes no jobs though some wait, and making it anew has not helped. */
  ok(): boolean
  /** Claims nothing more, aborts what runs, waits for it until the deadline, then lets go. */
  stop(deadlineMs: number): Promise<void>
}

/**
 * Two passes of the stalled check, so a killed worker's job is claimed again within a minute. How often a job may stall
 * is no limit of ours: poison is counted in `sync_leases`, and BullMQ would fail the job with a message of its own.
 */
export const workerTimings: WorkerTimings = {
  lockDuration: 30_000,
  stalledInterval: 30_000,
  maxStalledCount: 1000,
}

/** Starts claiming jobs of one queue. */
export function startWorker(
  context: WorkerContext,
  name: QueueName,
  options: { concurrency: number; timings?: WorkerTimings; watchdog?: WatchdogTimings },
): RunningWorker {
  const { queues, log } = context
  const stopping = new AbortController()
  let taken = 0
  let busy = 0
  // BullMQ hands over its AbortSignal only to a processor that declares three parameters.
  const process: JobProcessor = async (job, token, signal) => {
    taken += 1
    busy += 1
    try {
      const signals = [stopping.signal, ...(signal ? [signal] : [])]
      return await processJob(context, name, job, token ?? '', AbortSignal.any(signals))
    } finally {
      busy -= 1
    }
  }
  const open = (): { worker: JobWorker; running: Promise<void> } => {
    const worker = queues.openWorker(name, process, {
      concurrency: options.concurrency,
      ...workerTimings,
      ...options.timings,
    })
    const running = worker
      .run()
      .catch((error: unknown) => log.error({ err: error, queue: name }, 'the worker ended'))
    return { worker, running }
  }
  let { worker, running } = open()
  const watchdog = watchWorker(
    {
      queue: queues[name],
      concurrency: options.concurrency,
      taken: () => taken,
      busy: () => busy,
      onProgress: () => context.beat(name),
      remake() {
        // It may yet be at jobs; not waited for, since what does not move may not close either.
        worker
          .close()
          .catch((error: unknown) => log.debug({ err: error, queue: name }, 'the old worker did not close'))
        ;({ worker, running } = open())
      },
    },
    log,
    options.watchdog,
  )
  return {
    ready: worker.waitUntilReady().then(() => undefined),
    queue: name,
    ok: watchdog.ok,
    stop: async (deadlineMs) => {
      await watchdog.stop()
      await worker.pause(true)
      stopping.abort(new EntraSyncError('aborted', 'The worker stops.', { code: 'worker_stops' }))
      let timer: NodeJS.Timeout | undefined
      const late = new Promise<void>((resolve) => {
        timer = setTimeout(() => {
          log.warn({ queue: name, deadlineMs }, 'jobs did not stop in time: they are left to the next worker')
          // Not waited for: a connection that is half closed already may never say that it has ended.
          worker.disconnect().catch((error: unknown) => log.debug({ err: error }, 'disconnecting failed'))
          resolve()
        }, deadlineMs)
      })
      await Promise.race([worker.close().then(() => running), late])
      clearTimeout(timer)
    },
  }
}

async function processJob(
  context: WorkerContext,
  queue: QueueName,
  job: Job<unknown, string>,
  token: string,
  signal: AbortSignal,
): Promise<string> {
  const log = context.log.child({ job: short(job.name), jobId: job.id })
  const progress = progressReporter(job, log)
  const helpers: JobHelpers = {
    id: job.id ?? '',
    log,
    signal,
    progress: progress.report,
    updatePayload: (payload) => adding(context.queues.address, () => job.updateData(payload)),
  }
  let verdict: Verdict
  try {
    verdict = await handle(context.handlers, queue, job, helpers)
  } catch (error) {
    verdict = verdictOfError(error)
  }
  await progress.flush()
  switch (verdict.job) {
    case 'completed':
      log[isQuiet(job.name) ? 'debug' : 'info']({ result: verdict.result }, 'job completed')
      return jobText(verdict.result)
    case 'delayed': {
      log.info({ until: verdict.until, reason: verdict.reason }, 'job gives its slot back')
      // The queue goes by the clock of the machine.
      const waitMs = Math.max(verdict.until.getTime() - steadyNow(), 100)
      await job.moveToDelayed(Date.now() + waitMs, token)
      throw new DelayedError(verdict.reason)
    }
    case 'failed': {
      log[verdict.error.kind === 'input' ? 'warn' : 'error']({ err: verdict.error }, 'job failed')
      // Never BullMQ's own retries, whatever the job's options say: what is to be done again was enqueued again.
      throw new UnrecoverableError(
        jobText(`${verdict.error.code} ${await subject(context, job)}: ${describeError(verdict.error)}`),
      )
    }
  }
}

async function handle(handlers: Handlers, queue: QueueName, job: Job, helpers: JobHelpers): Promise<Verdict> {
  if (!isJobName(job.name) || catalog[job.name].queue !== queue) {
    const known = Object.entries(catalog).filter(([, entry]) => entry.queue === queue)
    throw new EntraSyncError(
      'input',
      `There is no job ${JSON.stringify(short(job.name))} in the queue ${queue}.`,
      {
        code: 'job_unknown',
        remedy: `Jobs of this queue: ${known.map(([name]) => name).join(', ')}.`,
      },
    )
  }
  return dispatch(handlers, job.name, job.data, helpers)
}

function dispatch(handlers: Handlers, name: JobName, data: unknown, helpers: JobHelpers): Promise<Verdict> {
  const parsed = catalog[name].payload.safeParse(data)
  if (!parsed.success) {
    const reasons = short(z.prettifyError(parsed.error).replaceAll('\n', ' '))
    throw new EntraSyncError('input', `The payload of ${name} is not valid: ${reasons}`, {
      code: 'payload_invalid',
      remedy: 'Correct it and add the job again.',
    })
  }
  // The catalog ties a schema's output to the payload of the handler of the same name; TypeScript can't see it here.
  return (handlers[name] as (payload: unknown, job: JobHelpers) => Promise<Verdict>)(parsed.data, helpers)
}

const longest = 500

const withTenant = z.union([
  z.object({ entraTenantId: z.guid() }).transform((data) => data.entraTenantId),
  z.object({ partnerEntraTenantId: z.guid() }).transform((data) => data.partnerEntraTenantId),
  z.object({ tenantId: z.guid() }).transform((data) => data.tenantId),
  z.object({ familyId: z.guid() }).transform((data) => data.familyId),
])

async function subject(context: WorkerContext, job: Job): Promise<string> {
  const tenant = withTenant.safeParse(job.data)
  return tenant.success ? context.nameOf(tenant.data.toLowerCase()) : short(job.name)
}

/** Names of jobs and of keys are whatever a client of the queue has made up: megabytes of them are no line of a log. */
function short(text: string): string {
  return text.length > longest ? `${text.slice(0, longest).toWellFormed()}…` : text
}
