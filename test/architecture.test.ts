import { readdir, readFile } from 'node:fs/promises'
import { dirname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))

/** Layers of src, top first (docs/architecture.md). A file may import from its own layer and from those below. */
const layers: readonly (readonly string[])[] = [
  ['src/main.ts'],
  ['src/command-line/'],
  ['src/cli/', 'src/http/'],
  ['src/app.ts', 'src/redis-server.ts', 'src/graph-of-config.ts', 'src/preconsent-of-config.ts'],
  ['src/scheduler/'],
  ['src/jobs/'],
  ['src/holds/', 'src/restore/'],
  ['src/sync/', 'src/targets/', 'src/consent/'],
  ['src/graph/', 'src/db/'],
  [
    'src/bounded-file.ts',
    'src/clock.ts',
    'src/config.ts',
    'src/config/',
    'src/key-ring.ts',
    'src/secrets.ts',
    'src/permissions.ts',
    'src/log.ts',
    'src/error-catalogue/',
    'src/errors.ts',
    'src/guard.ts',
    'src/lifeline.ts',
    'src/shutdown.ts',
  ],
]

/** app.ts starts the surface that is served (http), and the surface that is typed (cli) starts app.ts. */
const allowed = new Map([['src/app.ts', ['src/http/']]])

/** Of one layer, and yet strangers to each other. */
const strangers = [
  ['src/graph/', 'src/db/'],
  ['src/db/', 'src/graph/'],
  ['src/http/', 'src/cli/'],
  ['src/cli/', 'src/http/'],
  ['src/sync/', 'src/consent/'],
  ['src/sync/', 'src/targets/'],
  ['src/targets/', 'src/sync/'],
  ['src/targets/', 'src/consent/'],
  ['src/consent/', 'src/targets/'],
] as const

/** Who asks the clock of the machine, below the surface: `steadyNow()` and Postgres are for all else. */
const asksTheClock = [
  'src/clock.ts',
  // Compared with times that others have told: daily housekeeping and checks, where a jump costs one look.
  'src/consent/preconsent/bootstrap-left.ts',
  'src/consent/preconsent/housekeeping.ts',
  'src/consent/preconsent/preflight.ts',
  // For people: since when a service is away.
  'src/graph/circuit.ts',
  // Of Microsoft's: assertions, HTTP dates, and what MSAL makes of a token's life.
  'src/graph/client-assertion.ts',
  'src/graph/retry-after.ts',
  'src/graph/tokens.ts',
  // An operator's date.
  'src/holds/limits.ts',
  // Of BullMQ, and the epochs of what counts as one.
  'src/jobs/enqueue-targets.ts',
  'src/jobs/enqueue.ts',
  'src/jobs/queue-clock.ts',
  'src/jobs/watchdog.ts',
  'src/jobs/worker.ts',
  'src/scheduler/scheduler.ts',
]

/** Longest a file may be. Files of types only are looked up, not read. */
const longest = 250
const lists = ['src/db/tables.ts', 'simulator/types.ts']

const sources = await filesOf('src', 'simulator', 'bench')
const imports = new Map(
  await Promise.all(sources.map(async (file) => [file, await importsOf(file)] as const)),
)

async function filesOf(...folders: string[]): Promise<string[]> {
  const found = await Promise.all(
    folders.map(async (folder) =>
      (await readdir(join(root, folder), { recursive: true })).map((name) => `${folder}/${name}`),
    ),
  )
  return found.flat().filter((file) => file.endsWith('.ts'))
}

/** Project files that a file imports, types included: a type that points upwards ties the layers as well. */
async function importsOf(file: string): Promise<string[]> {
  const text = await readFile(join(root, file), 'utf8')
  return [...text.matchAll(/(?:from|import|import\()\s*['"](\.[^'"]+)['"]/g)].map(([, path]) =>
    normalize(join(dirname(file), path as string)),
  )
}

function layerOf(file: string): number {
  return layers.findIndex((layer) => layer.some((name) => file === name || file.startsWith(name)))
}

function wrongImports(isWrong: (from: string, to: string) => boolean): string[] {
  return [...imports].flatMap(([from, targets]) =>
    targets.filter((to) => isWrong(from, to)).map((to) => `${from} imports ${to}`),
  )
}

describe('architecture', () => {
  test('imports are found at all', () => {
    expect(imports.get('src/app.ts')).toContain('src/db/connection.ts')
    expect([...imports.values()].flat().length).toBeGreaterThan(100)
  })

  test('every file of src belongs to a layer', () => {
    expect(sources.filter((file) => file.startsWith('src/') && layerOf(file) === -1)).toEqual([])
  })

  test('imports point down', () => {
    expect(
      wrongImports(
        (from, to) =>
          from.startsWith('src/') &&
          to.startsWith('src/') &&
          layerOf(to) < layerOf(from) &&
          !allowed.get(from)?.some((folder) => to.startsWith(folder)),
      ),
    ).toEqual([])
  })

  test('neighbours keep apart', () => {
    expect(
      wrongImports((from, to) =>
        strangers.some(([one, other]) => from.startsWith(one) && to.startsWith(other)),
      ),
    ).toEqual([])
  })

  test('src does not know the simulator, nor tests and benchmarks', () => {
    expect(
      wrongImports((from, to) => from.startsWith('src/') && /^(simulator|test|bench)\//.test(to)),
    ).toEqual([])
  })

  test('the simulator shares nothing with what it is there to test', () => {
    expect(wrongImports((from, to) => from.startsWith('simulator/') && !to.startsWith('simulator/'))).toEqual(
      [],
    )
  })

  test('files stay short enough to be read', async () => {
    const lengths = await Promise.all(
      sources.map(async (file) => {
        const lines = (await readFile(join(root, file), 'utf8')).trimEnd().split('\n').length
        return { file, lines }
      }),
    )
    expect(lengths.filter(({ file, lines }) => lines > longest && !lists.includes(file))).toEqual([])
  })

  test('what waits or is stored does not ask a clock that is set, but for those whom others ask to', async () => {
    const asking = new Set<string>()
    for (const file of sources.filter(
      (one) => one.startsWith('src/') && layerOf(one) >= layerOf('src/scheduler/'),
    ))
      if (/\bDate\.now\b/.test(await readFile(join(root, file), 'utf8'))) asking.add(file)
    expect([...asking].toSorted()).toEqual(asksTheClock)
  })

  test('no barrels', async () => {
    expect(sources.filter((file) => file.endsWith('/index.ts'))).toEqual([])
    const texts = await Promise.all(
      sources.map(async (file) => ({ file, text: await readFile(join(root, file), 'utf8') })),
    )
    expect(texts.filter(({ text }) => /^export \*/m.test(text)).map(({ file }) => file)).toEqual([])
  })
})
