import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { postgresFaults } from './postgres.ts'
import { allWell } from './oracle.ts'
import { suffer } from './suffer.ts'
import { startWorld, type World } from './world.ts'

describe('what Postgres does', () => {
  let world: World
  beforeAll(async () => void (world = await startWorld('postgres')))
  afterAll(() => world.close())

  test.each(postgresFaults)('$number: $name', async (fault) => {
    expect(await suffer(world, fault)).toEqual(allWell)
  })
})
