import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { readDeploymentFile } from '../../../src/targets/files/read.ts'
import { knownKeys } from '../../../src/targets/files/schema.ts'

const read = (path: string): Promise<string> => readFile(new URL(`../../../${path}`, import.meta.url), 'utf8')
const guide = await read('docs/deployments.md')

test('the example of the guide is a deployment file, and so is the recommended one', async () => {
  const [example = ''] = [...guide.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, text]) => text)
  for (const text of [example, await read('deployments/recommended.yaml')]) {
    const { deployments, problems } = readDeploymentFile(text, 'd.yaml')
    expect(problems).toEqual([])
    expect(deployments.length).toBeGreaterThan(3)
  }
})

test('the guide names every key, and every warning that names of a file can have', async () => {
  const keys = Object.values(knownKeys).flat()
  const inCode = (guide.replaceAll(/```[\s\S]*?```/g, '').match(/`[^`\n]+`/g) ?? []).join(' ')
  const words = new Set(inCode.match(/\$?\w+/g))
  expect(keys.filter((key) => !words.has(key))).toEqual([])
  const sources = await Promise.all(
    ['drafts', 'group-terms', 'other-terms', 'terms', 'items'].map((name) =>
      read(`src/targets/files/${name}.ts`),
    ),
  )
  const codes = sources
    .flatMap((text) => [...text.matchAll(/(?:tell\(\s*'warning',\s*|warn\(\s*)(['`])([^'`]+)\1/g)])
    .map(([, , code = '']) => code.replace('${what}', 'person'))
  expect(codes.length).toBeGreaterThan(10)
  expect(codes.filter((code) => !guide.includes(`\`${code}\``))).toEqual([])
})
