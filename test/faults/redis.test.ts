import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { redisFaults } from './redis.ts'
import { allWell } from './oracle.ts'
import { suffer } from './suffer.ts'
import { startWorld, type World } from './world.ts'

describe('what Redis does', () => {
  let world: World
  beforeAll(async () => void (world = await startWorld('redis')))
  afterAll(() => world.close())

  test.each(redisFaults)('$number: $name', async (fault) => {
    expect(await suffer(world, fault)).toEqual(allWell)
  })
})
