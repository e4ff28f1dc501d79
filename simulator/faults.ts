import { z } from 'zod'
import { seededRandom } from './random.ts'
import type { DeltaKnobs, FaultView } from './types.ts'

const aCollection = z.enum(['users', 'groups', 'devices', 'subscribedSkus', 'organization', 'teams'])
const aShare = z.number().min(0).max(1)

/** What may happen to one request. */
export const effectSchema = z.discriminatedUnion('kind', [
  /**
   * An HTTP error or redirect. `retryAfter` goes into the header as it is (seconds, an HTTP date, nonsense); `date+5` becomes the
   * HTTP date five seconds from then; left out, there is no such header.
   */
  z.object({
    kind: z.literal('status'),
    status: z.int().min(300).max(599),
    retryAfter: z.union([z.string(), z.number()]).transform(String).optional(),
    code: z.string().optional(),
    message: z.string().optional(),
    headers: z.record(z.string(), z.string()).optional(),
  }),
  /** The token endpoint refuses with this AADSTS code. */
  z.object({ kind: z.literal('aadsts'), code: z.int() }),
  /** The connection is reset before the first byte. */
  z.object({ kind: z.literal('reset') }),
  /** The JSON ends in the middle, status and length fit what was sent. */
  z.object({ kind: z.literal('truncated') }),
  /** The connection ends in the middle of the body. */
  z.object({ kind: z.literal('cut') }),
  /** A proxy's HTML page with status 200. */
  z.object({ kind: z.literal('html') }),
  /** The body comes in bytes, over this many milliseconds. */
  z.object({ kind: z.literal('slow'), ms: z.int().positive() }),
  /** The body never ends: spaces for ever, after the first half of the JSON. */
  z.object({ kind: z.literal('endless') }),
  /** Nothing ever comes. */
  z.object({ kind: z.literal('silence') }),
  /** `content-encoding: gzip`, but the body is none. */
  z.object({ kind: z.literal('wrong-gzip') }),
  /** The JSON, then blanks up to this many bytes, all of it in a gzip of a few kilobytes. */
  z.object({ kind: z.literal('zip-bomb'), bytes: z.int().positive() }),
  /** One byte of the body at a time, this many milliseconds apart. */
  z.object({ kind: z.literal('drip'), everyMs: z.int().positive() }),
  /**
   * The answer's JSON is another one: `whole` in its place, or its keys set and dropped, and objects put in front of or
   * behind those of its `value`, each of which gets `each`.
   */
  z.object({
    kind: z.literal('edit'),
    whole: z.unknown().optional(),
    set: z.record(z.string(), z.unknown()).optional(),
    drop: z.array(z.string()).optional(),
    before: z.array(z.unknown()).optional(),
    behind: z.array(z.unknown()).optional(),
    each: z.record(z.string(), z.unknown()).optional(),
  }),
  /** The answer is right, but late. */
  z.object({ kind: z.literal('latency'), ms: z.int().nonnegative() }),
])
type AnyEffect = z.infer<typeof effectSchema>
/** Another answer than the right one. */
export type Edit = Extract<AnyEffect, { kind: 'edit' }>
/** Something that happens to an answer, or in its place. */
export type Effect = Exclude<AnyEffect, Edit>

/** Which requests an effect meets. */
export const faultSchema = z.object({
  /** Left out: every tenant. */
  tenantId: z.string().optional(),
  /** Regular expression for path and query, as `^/users/delta` or `/oauth2/v2.0/token$`; without `/v1.0` and tenant. */
  path: z.string().optional(),
  /** Share of matching requests that it meets. */
  probability: aShare.default(1),
  /** It meets this many requests, then it is gone. */
  times: z.int().positive().optional(),
  /** It lets this many matching requests pass first. */
  after: z.int().nonnegative().default(0),
  effect: effectSchema,
})
export type FaultInput = z.input<typeof faultSchema>

export const knobsSchema = z
  .object({
    replays: aShare,
    duplicates: aShare,
    shuffle: z.boolean(),
    splitMembers: z.int().positive().nullable(),
    emptyPages: aShare,
    lateMs: z.number().nonnegative(),
    expiredDeltaToken: z.union([z.literal(410), z.literal(400)]).nullable(),
    expiredPageToken: z.boolean(),
    foreignNextLink: z.string().nullable(),
    nextLinkLoop: z.boolean(),
    valueNotArray: z.boolean(),
    reduced: z.array(aCollection),
    forbidden: z.array(aCollection),
    pageSize: z.int().positive().nullable(),
  })
  .partial()
  .strict()

const wellBehaved: DeltaKnobs = {
  replays: 0,
  duplicates: 0,
  shuffle: false,
  splitMembers: null,
  emptyPages: 0,
  lateMs: 0,
  expiredDeltaToken: null,
  expiredPageToken: false,
  foreignNextLink: null,
  nextLinkLoop: false,
  valueNotArray: false,
  reduced: [],
  forbidden: [],
  pageSize: null,
}

/** What goes wrong in this cloud, and where; all of it may change at any time. */
export interface Faults {
  /** Adds a fault and answers its id. Faults are tried in the order of their making; the first that meets wins. */
  add(fault: FaultInput): number
  remove(id: number): void
  /** Sets delta misbehaviour of one tenant (null: of all); with `times` it ends after that many applications. */
  knobs(tenantId: string | null, knobs: z.input<typeof knobsSchema>, times?: number): void
  /** Seconds that new access tokens live. */
  tokenLifetimeSeconds: number
  /** Everything well again; tokens live as long as usual. */
  clear(): void
  /** What meets this request now: counts it. `inBatch`: only effects that one part of a batch can have. */
  strike(
    tenantId: string | null,
    pathAndQuery: string,
    inBatch?: boolean,
  ): { latencyMs: number; effect: Effect | null; edits: Edit[] }
  view(tenantId: string): FaultView
}

interface LiveFault extends z.output<typeof faultSchema> {
  id: number
  pattern: RegExp | null
}

interface KnobSetting {
  tenantId: string | null
  knobs: Partial<DeltaKnobs>
  left: number | null
}

/** Makes the faults of one cloud: none yet. */
export function createFaults(seed: number): Faults {
  let faults: LiveFault[] = []
  let settings: KnobSetting[] = []
  let nextId = 1
  const random = seededRandom(seed)
  const views = new Map<string, FaultView & { knobs: DeltaKnobs }>()

  const knobsOf = (tenantId: string): DeltaKnobs => {
    const merged = { ...wellBehaved }
    for (const setting of settings) {
      if (setting.tenantId === null || setting.tenantId === tenantId) Object.assign(merged, setting.knobs)
    }
    return merged
  }
  const refresh = (): void => {
    for (const [tenantId, view] of views) view.knobs = knobsOf(tenantId)
  }
  const wear = (tenantId: string, knob: keyof DeltaKnobs): void => {
    const setting = settings.findLast(
      (each) => (each.tenantId === null || each.tenantId === tenantId) && knob in each.knobs,
    )
    if (setting === undefined || setting.left === null) return
    setting.left -= 1
    if (setting.left > 0) return
    settings = settings.filter((each) => each !== setting)
    refresh()
  }

  const api: Faults = {
    tokenLifetimeSeconds: 3599,
    add(input) {
      const fault = faultSchema.parse(input)
      const id = nextId++
      faults.push({ ...fault, id, pattern: fault.path === undefined ? null : new RegExp(fault.path, 'i') })
      return id
    },
    remove(id) {
      faults = faults.filter((fault) => fault.id !== id)
    },
    knobs(tenantId, knobs, times) {
      settings.push({ tenantId, knobs: definedOnly(knobsSchema.parse(knobs)), left: times ?? null })
      refresh()
    },
    clear() {
      faults = []
      settings = []
      api.tokenLifetimeSeconds = 3599
      refresh()
    },
    strike(tenantId, pathAndQuery, inBatch = false) {
      let latencyMs = 0
      const edits: Edit[] = []
      for (const fault of faults) {
        const { effect } = fault
        if (fault.tenantId !== undefined && fault.tenantId !== tenantId) continue
        if (inBatch && effect.kind !== 'status') continue
        if (effect.kind === 'aadsts' && !pathAndQuery.startsWith('/oauth2/')) continue
        if (fault.pattern !== null && !fault.pattern.test(pathAndQuery)) continue
        if (fault.probability < 1 && random() >= fault.probability) continue
        if (fault.after > 0) {
          fault.after -= 1
          continue
        }
        if (fault.times !== undefined) {
          fault.times -= 1
          if (fault.times === 0) api.remove(fault.id)
        }
        // What an answer says does not keep it from failing in other ways.
        if (effect.kind === 'edit') edits.push(effect)
        else if (effect.kind === 'latency') latencyMs += effect.ms
        else return { latencyMs, effect, edits }
      }
      return { latencyMs, effect: null, edits }
    },
    view(tenantId) {
      let view = views.get(tenantId)
      if (view === undefined) {
        view = {
          knobs: knobsOf(tenantId),
          applied: (knob) => wear(tenantId, knob),
          random: seededRandom(seed ^ Number.parseInt(tenantId.slice(0, 8), 16)),
        }
        views.set(tenantId, view)
      }
      return view
    },
  }
  return api
}

function definedOnly(knobs: z.output<typeof knobsSchema>): Partial<DeltaKnobs> {
  return Object.fromEntries(Object.entries(knobs).filter(([, value]) => value !== undefined))
}
