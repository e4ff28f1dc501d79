import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { graphObjects } from './graph-objects.ts'
import { graphPages } from './graph-pages.ts'
import { allWell } from './oracle.ts'
import { suffer } from './suffer.ts'
import { startWorld, type World } from './world.ts'

describe('what Graph answers', () => {
  let world: World
  beforeAll(async () => void (world = await startWorld('redis')))
  afterAll(() => world.close())

  test.each([...graphPages, ...graphObjects])('$number: $name', async (fault) => {
    expect(await suffer(world, fault)).toEqual(allWell)
  })
})
