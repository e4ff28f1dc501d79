import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { DeltaKnobs } from '../../simulator/types.ts'
import { askDirectory, round } from './graph-asking.ts'
import type { Asked, Page } from './graph-asking.ts'

// A consumer that only does what Microsoft's delta pages say must end with what the directory holds.

const names = ['displayName', 'jobTitle', 'mail', 'accountEnabled', 'assignedLicenses'] as const
const usersStart = `/users/delta?$select=id,${names.join()}`
const groupsStart = '/groups/delta?$select=id,displayName,members'
const skus = ['05e9a617-0261-4cee-bb44-138d3ef5d965', 'cbdc14ab-d96c-4c30-b9f4-6ada7cdc1d46']

class Consumer {
  readonly users = new Map<string, Record<string, unknown>>()
  readonly groups = new Map<string, { displayName?: unknown; members: Set<string> }>()
  #links = { users: usersStart, groups: groupsStart }
  readonly #asked: Asked

  constructor(asked: Asked) {
    this.#asked = asked
  }

  async follow(between: () => void): Promise<void> {
    const users = await round(this.#asked, this.#links.users, { between })
    for (const user of users.value) this.#takeUser(user)
    const groups = await round(this.#asked, this.#links.groups, { between })
    for (const group of groups.value) this.#takeGroup(group)
    this.#links = { users: users.deltaLink, groups: groups.deltaLink }
  }

  #takeUser({ id, '@removed': removed, ...told }: Page['value'][number]): void {
    if (removed !== undefined) this.users.delete(id)
    else this.users.set(id, { ...this.users.get(id), ...told })
  }

  #takeGroup({ id, '@removed': removed, ...told }: Page['value'][number]): void {
    if (removed !== undefined) {
      this.groups.delete(id)
      return
    }
    const group = this.groups.get(id) ?? { members: new Set() }
    this.groups.set(id, group)
    if ('displayName' in told) group.displayName = told['displayName']
    const members = (told['members@delta'] ?? []) as { id: string; '@removed'?: unknown }[]
    for (const member of members) {
      if (member['@removed'] === undefined) group.members.add(member.id)
      else group.members.delete(member.id)
    }
  }
}

/** The world as the truth has it; edges count while both ends live, as every reader of Graph must count them. */
function wanted({ directory }: Asked): unknown {
  const truth = directory.truth()
  return shape(
    truth.users.map((user) => [
      user.id,
      {
        displayName: user.displayName,
        jobTitle: user.jobTitle,
        mail: user.mail,
        accountEnabled: user.accountEnabled,
        assignedLicenses: user.licenses.map(({ skuId, disabledPlans }) => ({ disabledPlans, skuId })),
      },
    ]),
    truth.groups.map((group) => [
      group.id,
      {
        displayName: group.displayName,
        members: truth.members.filter(({ groupId }) => groupId === group.id).map(({ memberId }) => memberId),
      },
    ]),
  )
}

function held(consumer: Consumer): unknown {
  return shape(
    [...consumer.users].map(([id, user]) => [
      id,
      Object.fromEntries(names.map((name) => [name, user[name] ?? null])),
    ]),
    [...consumer.groups].map(([id, { displayName, members }]) => [
      id,
      { displayName: displayName ?? null, members: [...members] },
    ]),
  )
}

function shape(
  users: [string, unknown][],
  groups: [string, { displayName: unknown; members: string[] }][],
): unknown {
  const live = new Set([...users, ...groups].map(([id]) => id))
  return {
    users: Object.fromEntries(users),
    groups: Object.fromEntries(
      groups.map(([id, group]) => [
        id,
        { ...group, members: group.members.filter((member) => live.has(member)).sort() },
      ]),
    ),
  }
}

interface Step {
  kind: number
  one: number
  two: number
}
const steps = (most: number): fc.Arbitrary<Step[]> =>
  fc.array(fc.record({ kind: fc.nat(10_000), one: fc.nat(10_000), two: fc.nat(10_000) }), {
    maxLength: most,
    size: 'max',
  })

function apply({ directory }: Asked, { kind, one, two }: Step): void {
  const { users, groups } = directory
  const at = <T>(items: T[], index: number): T | undefined => items[index % Math.max(1, items.length)]
  const live = users.order.filter(({ state }) => state === 'live')
  const user = at(live, one)
  const liveGroups = groups.order.filter(({ state }) => state === 'live')
  const group = at(liveGroups, one)
  const gone = at(
    users.order.filter(({ state }) => state === 'deleted'),
    one,
  )
  const goneGroup = at(
    groups.order.filter(({ state }) => state === 'deleted'),
    one,
  )
  const other = at([...live, ...liveGroups], two)
  const acts: (() => void)[] = [
    () =>
      directory.addUser({
        displayName: `New ${two}`,
        mail: two % 3 === 0 ? null : `m${two}@contoso.example`,
      }),
    () => directory.addGroup({ displayName: `Group ${two}`, groupTypes: two % 2 === 0 ? ['Unified'] : [] }),
  ]
  if (user !== undefined) {
    const licenses = skus.slice(0, two % 3).map((skuId) => ({ skuId, disabledPlans: [] }))
    acts.push(
      () => directory.updateUser(user.id, { jobTitle: two % 4 === 0 ? null : `Job ${two}` }),
      () => directory.updateUser(user.id, { department: `Untracked ${two}` }),
      () => directory.setLicenses(user.id, licenses),
      () => directory.deleteUser(user.id),
    )
  }
  if (gone !== undefined) {
    acts.push(
      () => directory.restoreUser(gone.id),
      () => directory.purgeUser(gone.id),
    )
  }
  if (goneGroup !== undefined) acts.push(() => directory.restoreGroup(goneGroup.id))
  if (group !== undefined) {
    const member = at([...group.members.keys()], two)
    const joins = (): void => {
      if (other !== undefined) directory.addMember(group.id, other.id)
    }
    acts.push(
      joins,
      joins,
      joins,
      () => directory.updateGroup(group.id, { displayName: `Group ${two}` }),
      () => directory.deleteGroup(group.id),
    )
    if (member !== undefined) acts.push(() => directory.removeMember(group.id, member))
  }
  at(acts, kind)?.()
}

/** What a consumer holds in the end, and what the directory holds. */
async function outcome(
  knobs: Partial<DeltaKnobs>,
  seed: number,
  before: Step[],
  rounds: { between: Step[]; during: Step[] }[],
): Promise<[unknown, unknown]> {
  const asked = askDirectory({ knobs, seed })
  for (const step of before) apply(asked, step)
  const consumer = new Consumer(asked)
  for (const { between, during } of rounds) {
    for (const step of between) apply(asked, step)
    const left = [...during]
    await consumer.follow(() => {
      const step = left.shift()
      if (step !== undefined) apply(asked, step)
    })
    asked.clock.now += 60_000
  }
  // What came during the last round may come in the next one only.
  asked.knobs.lateMs = 0
  await consumer.follow(() => undefined)
  return [held(consumer), wanted(asked)]
}

const world = [
  fc.nat(),
  steps(120),
  fc.array(fc.record({ between: steps(30), during: steps(10) }), { minLength: 1, maxLength: 4 }),
] as const

test('following delta links ends at the truth, whatever happens between and during rounds', async () => {
  await fc.assert(
    fc.asyncProperty(...world, fc.integer({ min: 1, max: 9 }), async (seed, before, rounds, pageSize) => {
      const [seen, truth] = await outcome({ pageSize }, seed, before, rounds)
      expect(seen).toEqual(truth)
    }),
    { numRuns: 150 },
  )
})

test('… and with replays, duplicates, shuffled and empty pages, split members and late changes', async () => {
  const knobs = fc.record({
    pageSize: fc.integer({ min: 1, max: 9 }),
    replays: fc.constantFrom(0, 0.5, 1),
    duplicates: fc.constantFrom(0, 0.3, 1),
    shuffle: fc.boolean(),
    emptyPages: fc.constantFrom(0, 0.3, 1),
    splitMembers: fc.constantFrom(null, 1, 2, 5),
    lateMs: fc.constantFrom(0, 1, 90_000),
  })
  await fc.assert(
    fc.asyncProperty(...world, knobs, async (seed, before, rounds, misbehaviour) => {
      const [seen, truth] = await outcome(misbehaviour, seed, before, rounds)
      expect(seen).toEqual(truth)
    }),
    { numRuns: 250 },
  )
})
