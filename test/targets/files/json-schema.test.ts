import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { deploymentsJsonSchema } from '../../../src/targets/files/json-schema.ts'
import { readDeploymentFile } from '../../../src/targets/files/read.ts'

const text = deploymentsJsonSchema()
type Schema = { properties?: Record<string, Schema & { title?: string }>; items?: Schema; anyOf?: Schema[] }

test('the file is what the script makes: npm run docs:deployments-schema', async () => {
  expect(await readFile(new URL('../../../schemas/deployments.schema.json', import.meta.url), 'utf8')).toBe(
    text,
  )
})

test('every key has a title, and no map takes others', () => {
  const untitled: string[] = []
  const open: string[] = []
  function walk(schema: Schema & { additionalProperties?: unknown }, path: string): void {
    if (schema.properties !== undefined && schema.additionalProperties !== false) open.push(path)
    for (const [key, inner] of Object.entries(schema.properties ?? {})) {
      if (inner.title === undefined) untitled.push(`${path}.${key}`)
      walk(inner, `${path}.${key}`)
    }
    if (schema.items !== undefined) walk(schema.items, `${path}[]`)
    for (const inner of schema.anyOf ?? []) walk(inner, path)
  }
  walk(JSON.parse(text) as Schema, '')
  expect({ untitled, open }).toEqual({ untitled: [], open: [] })
})

const deployment = { name: 'a', item: 'b', target: { everyone: true } }

test.each<[boolean, object]>([
  [true, deployment],
  [true, { ...deployment, version: 2022 }],
  [true, { ...deployment, version: 'any', exclude: [{ tag: 'x' }, { group_name: { pattern: 'Eng*' } }] }],
  [
    true,
    {
      ...deployment,
      target: { license: { plan: 'INTUNE_A' } },
      filters: { enabled: 'any', domains: ['a.b'] },
    },
  ],
  [false, { ...deployment, desiredState: 'installed' }],
  [false, { ...deployment, target: {} }],
  [false, { ...deployment, target: { tag: 'a', person: 'b' } }],
  [false, { ...deployment, target: { license: { sku: 'a', plan: 'b' } } }],
  [false, { ...deployment, filters: { domains: [] } }],
  [false, { name: 'a', item: 'b' }],
])('parser and JSON Schema agree: %s %j', (right, entry) => {
  const schema = z.fromJSONSchema(JSON.parse(text) as Parameters<typeof z.fromJSONSchema>[0])
  const file = { deployments: [entry] }
  expect(schema.safeParse(file).success).toBe(right)
  expect(readDeploymentFile(JSON.stringify(file), 'd.json').problems.length === 0).toBe(right)
})
