import { z } from 'zod'
import { collectionNames } from '../sync/collections.ts'
import type { JobHelpers } from './helpers.ts'
import type { Verdict } from './verdicts.ts'

export const queueNames = ['sync', 'targets', 'control'] as const
export type QueueName = (typeof queueNames)[number]

/** BullMQ priorities: lower first, and 0 (a job added without options) before all. */
export const priorities = { operator: 10, schedule: 20 } as const

const entraTenantId = z.guid('must be the id of an Entra tenant, a GUID').toLowerCase()
const requestedBy = z.string().trim().min(1).max(200).optional()

interface JobEntry {
  queue: QueueName
  payload: z.ZodType<Record<string, unknown>>
  /** Runs every few seconds: its success is no news. */
  quiet?: true
}

/**
 * Every job: its payload and its queue. Payloads are strict: a misspelt key
 * is told to the operator who typed it, never ignored.
 */
export const catalog = {
  'sync-tenant': {
    queue: 'sync',
    payload: z.strictObject({
      entraTenantId,
      mode: z.enum(['delta', 'full']).optional(),
      collections: z.array(z.enum(collectionNames)).min(1).optional(),
      requestedBy,
      /** Set once the payload has been merged into `sync_requests` as that request. */
      requestSeq: z.int().positive().optional(),
      /** Set on wake-ups after a failure: which consecutive failure this one follows. */
      attempt: z.int().positive().optional(),
    }),
  },
  'resolve-targets': {
    queue: 'targets',
    payload: z.strictObject({
      tenantId: z.guid('must be the id of a tenant, a GUID').toLowerCase().optional(),
      deploymentId: z.guid('must be the id of a deployment, a GUID').toLowerCase().optional(),
      requestedBy,
      /** Set on our own wake-ups, instead of a tenant: families need not have one any more. */
      familyId: z.guid().toLowerCase().optional(),
      /** Set on our own wake-ups: families that rest after a failure are left alone. */
      wakeUp: z.boolean().optional(),
    }),
  },
  tick: { queue: 'control', payload: z.strictObject({}), quiet: true },
  'discover-customers': {
    queue: 'control',
    payload: z.strictObject({
      partnerEntraTenantId: entraTenantId,
      requestedBy,
    }),
  },
  'verify-consent': {
    queue: 'control',
    payload: z.strictObject({
      entraTenantId,
      requestedBy,
      /** Consent was given just now: roles that are missing may be on their way. */
      expectSoon: z.boolean().optional(),
    }),
  },
  'preconsent-customer': {
    queue: 'control',
    payload: z.strictObject({
      entraTenantId,
      requestedBy,
      /** Set on our own wake-ups: what was asked for stands in `preconsents`, and nothing else is begun. */
      wakeUp: z.boolean().optional(),
    }),
  },
  housekeeping: { queue: 'control', payload: z.strictObject({}) },
} as const satisfies Record<string, JobEntry>

export type JobName = keyof typeof catalog
export type Payload<Name extends JobName> = z.infer<(typeof catalog)[Name]['payload']>

/** Does the job and says what becomes of it; a thrown error is turned into a verdict by its kind. */
export type Handler<Name extends JobName> = (payload: Payload<Name>, job: JobHelpers) => Promise<Verdict>

/** One handler for every job: this does not compile with one missing. */
export type Handlers = { [Name in JobName]: Handler<Name> }

/** True for a name in the catalog. */
export function isJobName(name: string): name is JobName {
  return Object.hasOwn(catalog, name)
}

/** True for a job whose success is not worth a line in the log. */
export function isQuiet(name: string): boolean {
  const entry: JobEntry | null = isJobName(name) ? catalog[name] : null
  return entry?.quiet === true
}

/** JSON schema of the payloads a queue takes, by queue name, for forms and documentation. */
export function payloadSchemas(): Record<QueueName, Record<string, unknown>> {
  const of = (queue: QueueName): Record<string, unknown> => ({
    anyOf: Object.entries(catalog)
      .filter(([, job]) => job.queue === queue)
      .map(([name, job]) => ({ title: name, ...z.toJSONSchema(job.payload, { io: 'input' }) })),
  })
  // What the dashboard's form starts with; without it, every property, also those that only our own jobs set.
  return {
    sync: { ...of('sync'), examples: [{ entraTenantId: '', mode: 'delta' }] },
    targets: { ...of('targets'), examples: [{}] },
    control: { ...of('control'), examples: [{}] },
  }
}
