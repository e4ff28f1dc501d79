import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readAppEntitlements } from '../../src/config/app-entitlements.ts'
import { builtInEntitlements } from '../../src/config/built-in-entitlements.ts'
import { loadConfig } from '../../src/config.ts'

const planId = 'bbbbbbbb-0000-4000-8000-000000000001'
const good = `
# Ours.
entitlements:
  - name: m365_apps_enterprise
    plans:
      - id: ${planId.toUpperCase()}
        name: OFFICE_OF_NEXT_YEAR
  - name: acrobat
    product_name: Acrobat
    yields_to: acrobat_pro
    plans: [{ id: ${planId}, name: ACROBAT }]
  - name: acrobat_pro
    product_name: Acrobat Pro
    plans: [{ id: 43de0ff5-c92c-492b-9116-175376d08c38, name: OFFICESUBSCRIPTION }]
`
const read = [
  {
    name: 'm365_apps_enterprise',
    productName: null,
    yieldsTo: null,
    plans: [{ id: planId, name: 'OFFICE_OF_NEXT_YEAR' }],
  },
  {
    name: 'acrobat',
    productName: 'Acrobat',
    yieldsTo: 'acrobat_pro',
    plans: [{ id: planId, name: 'ACROBAT' }],
  },
  {
    name: 'acrobat_pro',
    productName: 'Acrobat Pro',
    yieldsTo: null,
    plans: [{ id: '43de0ff5-c92c-492b-9116-175376d08c38', name: 'OFFICESUBSCRIPTION' }],
  },
]

const plan = `{ id: ${planId}, name: A }`
/** Ten to the tenth values in ten lines. */
const aliasBomb = Array.from({ length: 10 }, (_, at) =>
  at === 0 ? '_0: &_0 [x]\n' : `_${at}: &_${at} [${`*_${at - 1},`.repeat(10)}]\n`,
).join('')

function file(text: string): string {
  const path = join(mkdtempSync(join(tmpdir(), 'entra-sync-entitlements-')), 'file')
  writeFileSync(path, text)
  return path
}

test('YAML, and JSON with a byte order mark', () => {
  expect(readAppEntitlements(good)).toEqual({ entitlements: read, problems: [] })
  expect(loadConfig({ APP_ENTITLEMENTS_FILE: file(good) }).appEntitlements).toEqual(read)
  const json = {
    entitlements: [{ name: 'acrobat', product_name: 'Acrobat', plans: [{ id: planId, name: 'A' }] }],
  }
  expect(
    loadConfig({ APP_ENTITLEMENTS_FILE: file(`\uFEFF${JSON.stringify(json)}`) }).appEntitlements,
  ).toHaveLength(1)
  expect(loadConfig({}).appEntitlements).toEqual([])
  expect(loadConfig({ APP_ENTITLEMENTS_FILE: file('entitlements: []') }).appEntitlements).toEqual([])
})

test('everything that is wrong is told at once, each with its line', () => {
  const { problems, entitlements } = readAppEntitlements(`
entitlements:
  - name: m365_apps_business
    product_name: Office
    yields_to: acrobat
    plans:
      - { id: 43de0ff5-c92c-492b-9116-175376d08c38, name: OFFICESUBSCRIPTION }
  - name: Acrobat Pro
    product_name: Acrobat Pro
    plans: [{ id: ${planId}, name: A }]
  - name: acrobat
    product: Acrobat
    plans:
      - id: OFFICESUBSCRIPTION
        name: A
      - name: B
      - ${planId}
  - product_name: Reader
    plans: []
  - nonsense
  - name: visio_desktop
    plans:
      - { id: ${planId}, name: V }
      - { id: ${planId}, name: V2 }
  - name: visio_desktop
    plans: [{ id: ${planId}, name: V }]
  - name: ours
    plans: [{ id: ${planId}, name: O }]
  - name: lost
    product_name: Lost
    yields_to: nobody
    plans: [{ id: ${planId}, name: O }]
`)
  expect(entitlements).toEqual([])
  expect(problems.map(({ line, text }) => `${line}: ${text}`)).toEqual([
    '4: m365_apps_business is built in and keeps its product_name. Leave it out, or use another name.',
    '5: m365_apps_business is built in and keeps its yields_to. Leave it out, or use another name.',
    '7: OFFICESUBSCRIPTION is built in as a plan of m365_apps_enterprise and stays that. Remove it here.',
    '8: name must be of small letters, digits and _ only.',
    '12: "product" is not known here.',
    '14: id must be the service plan id, a GUID.',
    '16: id must be the service plan id, a GUID.',
    '17: a plan is an id and a name.',
    '18: name must be text.',
    '19: plans is empty.',
    '20: an entitlement is a name and plans.',
    '24: V2 is there twice. Remove one of the two.',
    '25: visio_desktop is there twice. Put all its plans into one entry.',
    '27: ours is not built in, so it needs a product_name. Built in are m365_apps_enterprise, m365_apps_business, project_desktop, visio_desktop.',
    '31: nobody is not known. Name an entitlement of this file or one of m365_apps_enterprise, m365_apps_business, project_desktop, visio_desktop.',
  ])
})

test.each([
  ['an empty file', '', 1],
  ['a list', '- name: x', 1],
  ['another key', 'entitlement: []', 1],
  ['a broken line', 'entitlements:\n  - name: "x\n', 3],
  ['a key twice', 'entitlements: []\nentitlements: []\n', 2],
  ['two documents', 'entitlements: []\n---\nentitlements: []\n', 2],
  ['an alias of nothing', 'entitlements: *nowhere\n', 1],
  ['a bomb of aliases', `entitlements: []\n${aliasBomb}`, 1],
  ['a NUL in a name', `\nentitlements: [{ name: a, product_name: "A\\0", plans: [${plan}] }]`, 2],
  ['half a character', `\nentitlements: [{ name: a, product_name: "\\uD800", plans: [${plan}] }]`, 2],
])('%s', (_what, text, line) => {
  expect(readAppEntitlements(text)).toMatchObject({ entitlements: [], problems: [{ line }] })
  expect(() => loadConfig({ APP_ENTITLEMENTS_FILE: file(text) })).toThrow(
    new RegExp(`one problem:\\n  APP_ENTITLEMENTS_FILE line ${line}: .*[.!?]$`),
  )
})

test('of a file of something else the first problems are told, of a file without end its size', () => {
  const broken = file(`entitlements:\n${'  - nonsense\n'.repeat(1000)}`)
  expect(() => loadConfig({ APP_ENTITLEMENTS_FILE: broken })).toThrow(
    /51 problems:[^]*line 51: [^]*APP_ENTITLEMENTS_FILE has 950 more problems\./,
  )
  expect(() => loadConfig({ APP_ENTITLEMENTS_FILE: '/dev/zero' })).toThrow(
    "APP_ENTITLEMENTS_FILE can't be read (it is larger than 256 kB).",
  )
  expect(() => loadConfig({ OPS_TOKEN_FILE: '/dev/zero' })).toThrow(
    "OPS_TOKEN_FILE can't be read (it is larger than 256 kB).",
  )
})

test('nobody yields to himself, by however many others', () => {
  const entry = (name: string, to: string) =>
    `  - { name: ${name}, product_name: P, yields_to: ${to}, plans: [{ id: ${planId}, name: P }] }\n`
  const told = (text: string) =>
    readAppEntitlements(`entitlements:\n${text}`).problems.map(({ line }) => line)
  expect(told(entry('a', 'a'))).toEqual([2])
  expect(told(entry('a', 'b') + entry('b', 'c') + entry('c', 'a'))).toEqual([2, 3, 4])
  expect(told(entry('a', 'b') + entry('b', 'c') + entry('c', 'b'))).toEqual([3, 4])
  expect(told(entry('a', 'b') + entry('b', 'm365_apps_business'))).toEqual([])
})

test('beside the problems of other variables; a file that is not there is one', () => {
  expect(() => loadConfig({ APP_ENTITLEMENTS_FILE: '/nowhere.yaml', HTTP_PORT: 'x' })).toThrow(
    /2 problems:\n {2}HTTP_PORT .*\n {2}APP_ENTITLEMENTS_FILE can't be read \(there is none/,
  )
})

test.each([
  ['P45D', 45 * 86_400_000],
  ['PT1S', 1000],
])('SUSPENDED_LICENSE_GRACE=%s', (text, ms) => {
  expect(loadConfig({ SUSPENDED_LICENSE_GRACE: text }).licenseGraceMs).toBe(ms)
  expect(loadConfig({}).licenseGraceMs).toBe(30 * 86_400_000)
  expect(() => loadConfig({ SUSPENDED_LICENSE_GRACE: 'P2Y' })).toThrow('SUSPENDED_LICENSE_GRACE')
})

test('docs/entitlements.md: its example is right, and its table is what is built in', () => {
  const guide = readFileSync('docs/entitlements.md', 'utf8')
  const example = /^```yaml\n([^]*?)^```$/m.exec(guide)?.[1] ?? ''
  expect(readAppEntitlements(example)).toMatchObject({
    entitlements: [{ name: 'visio_desktop' }, { name: 'power_automate_desktop' }],
    problems: [],
  })
  for (const [name, plans] of builtInEntitlements) {
    const row = guide.split('\n').find((line) => line.startsWith(`| \`${name}\` |`))
    expect(row?.split(' | ')[2]).toBe(`${[...plans.values()].map((plan) => `\`${plan}\``).join(', ')} |`)
  }
})
