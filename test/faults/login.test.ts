import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loginFaults } from './login.ts'
import { allWell } from './oracle.ts'
import { suffer } from './suffer.ts'
import { startWorld, type World } from './world.ts'

describe('what becomes of consent and tokens', () => {
  let world: World
  beforeAll(async () => void (world = await startWorld('postgres')))
  afterAll(() => world.close())

  test.each(loginFaults)('$number: $name', async (fault) => {
    expect(await suffer(world, fault)).toEqual(allWell)
  })
})
