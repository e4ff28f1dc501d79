import { expect, test } from 'vitest'
import { departments, OrdinaryTenant } from './ordinary-tenant.ts'
import { chaosSeed, chaosShare, replay } from './seed.ts'

const days = 90
const sizes = chaosShare < 0.5 ? [200] : [200, 2000]

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
function numbersFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

// What a month, a quarter and one evening at a customer's look like, as shares of its people.
const turnover = 0.015 / 30
const moves = 0.03 / 90
const seasonal = 0.05
const special = new Map<number, (tenant: OrdinaryTenant, random: () => number) => void>([
  [20, (tenant) => tenant.dissolveTeam()],
  [40, (tenant) => tenant.license([1, 2])],
  [54, (tenant) => tenant.license([2])],
  [
    75,
    (tenant, random) => {
      const all = [...tenant.employees.keys()]
      const leaving = Math.round(all.length * seasonal)
      for (let n = 0; n < leaving; n++)
        for (const one of all.splice(Math.floor(random() * all.length), 1)) tenant.leave(one)
    },
  ],
])

test.each(sizes)('ninety ordinary days of %i people hold nothing', async (people) => {
  process.stdout.write(`ordinary days, seed ${chaosSeed}: ${replay(chaosSeed)} -- ordinary-days\n`)
  const random = numbersFrom(chaosSeed)
  const tenant = await OrdinaryTenant.begin(people)
  const count = { left: 0, joined: 0, moved: 0 }
  const held = new Map<number, string[]>()
  try {
    for (let day = 1; day <= days; day++) {
      for (const n of tenant.employees.keys()) {
        if (random() < turnover) {
          tenant.leave(n)
          count.left++
          tenant.join(Math.floor(random() * departments.length))
          count.joined++
        } else if (random() < moves) {
          tenant.move(n, Math.floor(random() * departments.length))
          count.moved++
        }
      }
      special.get(day)?.(tenant, random)
      const holds = await tenant.endDay()
      if (holds.length > 0) held.set(day, holds)
    }
    process.stdout.write(`${people} people: ${JSON.stringify(count)}, held ${JSON.stringify([...held])}\n`)
    expect([...held.keys()].filter((day) => !special.has(day))).toEqual([])
    expect(held.get(40)).toBeUndefined()
    // A twentieth is nothing of the whole; by chance it may be many of one department.
    const evening = held.get(75) ?? []
    expect(evening.length).toBeLessThanOrEqual(1)
    expect(evening.filter((hold) => hold.startsWith('person'))).toEqual([])
    expect(held.get(54)).toHaveLength(1)
    const there = tenant.employees.size
    expect(await tenant.standing()).toEqual({ persons: there, office: there })
    expect(count.left).toBeGreaterThan(0)
  } finally {
    await tenant.drop()
  }
})
