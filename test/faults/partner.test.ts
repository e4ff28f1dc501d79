import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { partnerFaults } from './partner.ts'
import { allWell } from './oracle.ts'
import { suffer } from './suffer.ts'
import { startWorld, type World } from './world.ts'

describe('what Partner Center and GDAP tell', () => {
  let world: World
  beforeAll(async () => void (world = await startWorld('postgres')))
  afterAll(() => world.close())

  test.each(partnerFaults)('$number: $name', async (fault) => {
    expect(await suffer(world, fault)).toEqual(allWell)
  })
})
