import fc from 'fast-check'
import type { GdapRelationship, RelationshipStatus } from '../../../simulator/types.ts'

const hourMs = 3_600_000

/** What happens to relationships, lists and time. Numbers choose among what there is. */
export type Step =
  | { step: 'add'; partner: number; customer: number }
  | { step: 'remove'; customer: number; which: number }
  | { step: 'status'; customer: number; which: number; status: string }
  | { step: 'ends'; customer: number; which: number; hours: number | null }
  | { step: 'extends'; customer: number; which: number; extends: boolean }
  | { step: 'rename'; customer: number; which: number; led: boolean }
  | { step: 'listed'; partner: number; customer: number; listed: boolean }
  | { step: 'discover'; partner: number; fails: 'no' | 'customers' | 'relationships' | 'empty' }
  | { step: 'wait'; hours: number }

const partner = fc.nat(1)
const customer = fc.nat(2)
const which = fc.nat(2)

/** Ends lie half an hour beside every limit, so that no clock decides. */
export const steps = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({ step: fc.constant('discover' as const), partner, fails: failures() }),
    },
    { weight: 2, arbitrary: fc.record({ step: fc.constant('add' as const), partner, customer }) },
    fc.record({ step: fc.constant('remove' as const), customer, which }),
    {
      weight: 2,
      arbitrary: fc.record({ step: fc.constant('status' as const), customer, which, status: statuses() }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        step: fc.constant('ends' as const),
        customer,
        which,
        hours: fc.constantFrom(null, -30.5, -10.5, 10.5, 200.5, 24 * 29 + 0.5, 24 * 31 + 0.5, 24 * 400 + 0.5),
      }),
    },
    fc.record({ step: fc.constant('extends' as const), customer, which, extends: fc.boolean() }),
    fc.record({ step: fc.constant('rename' as const), customer, which, led: fc.boolean() }),
    fc.record({ step: fc.constant('listed' as const), partner, customer, listed: fc.boolean() }),
    {
      weight: 2,
      arbitrary: fc.record({
        step: fc.constant('wait' as const),
        hours: fc.constantFrom(3, 12, 25, 24 * 40),
      }),
    },
  ),
  { minLength: 4, maxLength: 14 },
)

function failures() {
  return fc.oneof(
    { weight: 4, arbitrary: fc.constant('no' as const) },
    fc.constantFrom('customers' as const, 'relationships' as const, 'empty' as const),
  )
}

function statuses() {
  return fc.constantFrom(
    'active',
    'active',
    'terminated',
    'expiring',
    'approvalPending',
    'unknownFutureValue',
    'soonToCome',
  )
}

/** Statuses that Microsoft documents, as far as the steps use them. */
const documented = ['active', 'terminated', 'expiring', 'approvalPending']

interface Known {
  partner: string
  customer: string
  status: string
  endsAt: number | null
  extends: boolean
  led: boolean
  missingAt: number | null
}

/** What is to be known after each step: written from the rules, not from the SQL. */
export class Oracle {
  readonly relationships = new Map<string, Known>()
  /** By partner, then customer: since when its list lacks it. */
  readonly lists = new Map<string, Map<string, number | null>>()

  /** Both lists were read to their ends. */
  discovered(from: string, customers: string[], relationships: readonly GdapRelationship[]): void {
    const now = Date.now()
    const list = this.lists.get(from) ?? new Map<string, number | null>()
    this.lists.set(from, list)
    for (const id of customers) list.set(id, null)
    for (const one of relationships) {
      const before = this.relationships.get(one.id)
      const status: string = one.status
      this.relationships.set(one.id, {
        partner: from,
        customer: one.customerTenantId,
        status: before !== undefined && !documented.includes(status) ? before.status : status,
        endsAt: one.endsAt?.getTime() ?? null,
        extends: one.autoExtendDuration !== 'PT0S',
        led: one.displayName.startsWith('MLT_'),
        missingAt: null,
      })
    }
    if (customers.length === 0 || relationships.length === 0) return
    for (const [id, missingAt] of list) if (!customers.includes(id)) list.set(id, missingAt ?? now)
    const ids = new Set(relationships.map(({ id }) => id))
    for (const [id, known] of this.relationships)
      if (known.partner === from && !ids.has(id)) known.missingAt ??= now
  }

  waited(hours: number): void {
    const ms = hours * hourMs
    for (const known of this.relationships.values()) {
      if (known.endsAt !== null) known.endsAt -= ms
      if (known.missingAt !== null) known.missingAt -= ms
    }
    for (const list of this.lists.values())
      for (const [id, at] of list) if (at !== null) list.set(id, at - ms)
  }

  expected(id: string): { active: boolean; problems: string[] } {
    const now = Date.now()
    const grace = now - 24 * hourMs
    const counting = [...this.relationships.values()].filter(
      (one) =>
        one.customer === id &&
        one.status === 'active' &&
        !one.led &&
        (one.missingAt === null || one.missingAt > grace) &&
        (one.extends || one.endsAt === null || one.endsAt > grace),
    )
    const active = counting.length > 0
    const soon = now + 30 * 24 * hourMs
    const ending =
      active && counting.every((one) => !one.extends && one.endsAt !== null && one.endsAt <= soon)
    const naming = [...this.lists.values()].flatMap((list) => (list.has(id) ? [list.get(id)] : []))
    const missing = naming.length > 0 && naming.every((at) => at !== null)
    return {
      active,
      problems: [
        ...(missing ? ['customer_missing'] : []),
        ...(active ? [] : ['gdap_ended']),
        ...(ending ? ['gdap_ending'] : []),
      ],
    }
  }
}

/** A status that the simulator's type does not know is Microsoft's to invent. */
export const asStatus = (status: string): RelationshipStatus => status as RelationshipStatus
