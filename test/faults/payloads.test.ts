import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { payloadFaults } from './payloads.ts'
import { allWell } from './oracle.ts'
import { suffer } from './suffer.ts'
import { startWorld, type World } from './world.ts'

describe('what is put into the queue', () => {
  let world: World
  beforeAll(async () => void (world = await startWorld('redis')))
  afterAll(() => world.close())

  test.each(payloadFaults)('$number: $name', async (fault) => {
    expect(await suffer(world, fault)).toEqual(allWell)
  })
})
