import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { connect, createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Command } from 'commander'
import { expect, onTestFinished, test } from 'vitest'
import { commandLine } from '../../src/command-line/program.ts'
import { delegatedPermissions, permissions } from '../../src/permissions.ts'

interface Block {
  /** Of the `###` heading that it stands under. */
  heading: string
  code: string
}

const guide = await readFile('docs/first-sync.md', 'utf8')

/** The blocks to paste into a shell under one `##` heading. */
function blocksOf(title: string): Block[] {
  const section = guide.split(/^## /m).find((part) => part.startsWith(`${title}\n`)) ?? ''
  return section.split(/^### /m).flatMap((part) => {
    const heading = part.slice(0, part.indexOf('\n'))
    return [...part.matchAll(/^```sh\n([^]*?)^```$/gm)].map(([, code = '']) => ({ heading, code }))
  })
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(true))
    socket.on('error', () => resolve(false)).on('connect', () => socket.destroy())
  })
}

/** Pasted by nobody: a failing line ends it, and before the end it is noted what there is to look at. */
function scriptOf(blocks: Block[]): string {
  const look = `
    bin/entra-sync status --json > "$TMPDIR/status.json"
    bin/entra-sync consent list --json > "$TMPDIR/consent.json"
    cp "$REHEARSAL/cloud.json" "$DATA_DIR/postgres.json" "$TMPDIR/"`
  const parts = blocks.map(({ heading, code }) =>
    heading === 'A customer leaves' ? `${look}\n${code}` : code,
  )
  return ['set -euo pipefail', ...parts].join('\n')
}

/** Kills the process group as soon as stdin ends, so that nothing outlives a test that was killed itself. */
const watcher = 'process.stdin.on("end", () => process.kill(0, "SIGKILL")).resume()'
const watched = `
  exec 3<&0 </dev/null
  "$0" -e '${watcher}' <&3 & watcher=$!
  exec 3<&-
  bash -c "$1"; code=$?
  kill $watcher; wait $watcher
  exit $code`

/** In a process group of its own, which is killed whatever happens. */
async function runInBash(script: string, env: Record<string, string>) {
  const { PATH = '', HOME = '' } = process.env
  const child = spawn('bash', ['-c', watched, process.execPath, script], {
    env: { PATH, HOME, ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
  })
  const group = -(child.pid ?? 0)
  onTestFinished(() => {
    if (alive(group)) process.kill(group, 'SIGKILL')
  })
  let told = ''
  child.stdout.on('data', (chunk: Buffer) => (told += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (told += chunk.toString()))
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, told, left: () => alive(group) }
}

function alive(group: number): boolean {
  try {
    return process.kill(group, 0)
  } catch {
    return false
  }
}

const onlyAt = (level: string) => `Only at level ${level}`

test.each(['Default', 'Custom'])(
  'the rehearsal at level %s is pasted into bash and ends with everybody synced',
  async (level) => {
    const folder = await mkdtemp(join(tmpdir(), 'entra-sync-guide-'))
    onTestFinished(() => rm(folder, { recursive: true, force: true, maxRetries: 10 }))
    const all = blocksOf('Rehearse it against the simulated cloud').filter(({ code }) => code !== 'npm ci\n')
    for (const each of ['Default', 'Custom'])
      expect(all.filter(({ heading }) => heading === onlyAt(each))).toHaveLength(1)
    const blocks = all.filter(
      ({ heading }) => !heading.startsWith('Only at level') || heading === onlyAt(level),
    )
    const port = await freePort()

    const { code, told, left } = await runInBash(scriptOf(blocks), {
      TMPDIR: folder,
      HTTP_PORT: String(port),
    })

    expect({ code, told }).toEqual({ code: 0, told })
    const read = async (file: string): Promise<unknown> =>
      JSON.parse(await readFile(join(folder, file), 'utf8'))
    const cloud = (await read('cloud.json')) as { origin: string; tenants: { id: string; users: number }[] }
    const { tenants } = (await read('status.json')) as { tenants: Record<string, unknown>[] }
    const by = (one: { id: unknown }, other: { id: unknown }) =>
      String(one.id).localeCompare(String(other.id))
    expect(tenants.map(({ entra_tenant_id: id, state, users }) => ({ id, state, users })).sort(by)).toEqual(
      cloud.tenants.map(({ id, users }) => ({ id, state: 'ok', users })).sort(by),
    )
    expect(told).toMatch(/^warn +consent: not given by 1 Entra tenant: Silver Birch Legal$/m)
    const { consents } = (await read('consent.json')) as { consents: { consent: string; method: string }[] }
    expect(consents.map(({ consent, method }) => `${consent} by ${method}`).sort()).toEqual([
      'granted by admin_consent',
      'granted by admin_consent',
      'granted by pre_consent',
    ])
    expect(told).toMatch(/^Northpeak Dental is offboarded\.$/m)
    expect(/permission level Custom, app/.test(told)).toBe(level === 'Custom')
    expect(told).not.toMatch(/^fail /m)

    const postgres = (await read('postgres.json')) as { port: number }
    for (const each of [port, Number(new URL(cloud.origin).port), postgres.port])
      expect({ port: each, listens: await listens(each) }).toEqual({ port: each, listens: false })
    expect(left()).toBe(false)
  },
)

/** The command that words after `entra-sync` call, and those of its options that it does not have. */
function understood(text: string): { name: string; unknown: string[] } {
  const words = text.split(/\s+/).filter((word) => word !== '')
  let command: Command = program
  let names: string[] = []
  for (const word of words) {
    const next = command.commands.find((one) => one.name() === word)
    if (next === undefined) break
    command = next
    names = [...names, word]
  }
  const known = command.options.map(({ long }) => long)
  const given = words.map((word) => /^--[a-z][a-z-]*/.exec(word)?.[0]).filter((word) => word !== undefined)
  return { name: names.join(' '), unknown: given.filter((option) => !known.includes(option)) }
}

const program = commandLine(async () => {})

test.each(['docs/first-sync.md', 'README.md'])(
  'every command in %s exists, with its options',
  async (file) => {
    const text = (await readFile(file, 'utf8')).replaceAll(/\\\n */g, '')
    const inBlocks = [...text.matchAll(/^```sh\n([^]*?)^```$/gm)].flatMap(([, code = '']) => [
      ...code.matchAll(/(?:bin\/|^\$ )entra-sync ([^#|>;&\n]*)/gm),
    ])
    const inText = [...text.matchAll(/`(?:bin\/)?entra-sync ([^`]*)`/g)]
    const typed = [...inBlocks, ...inText]
      .map(([, words = '']) => words)
      .filter((words) => words !== '--help')
    expect(typed.length).toBeGreaterThan(5)
    const wrong = typed.filter((words) => {
      const { name, unknown } = understood(words)
      return name === '' || unknown.length > 0
    })
    expect(wrong).toEqual([])
  },
)

test('the table of README names every command', async () => {
  const rows = (await readFile('README.md', 'utf8')).split('\n').filter((line) => line.startsWith('| `'))
  const told = rows.map((row) => row.split(' | ')[0] ?? '').join(' ')
  const missing = program.commands.filter((command) => !new RegExp(`\`${command.name()}\\b`).test(told))
  expect(missing.map((command) => command.name())).toEqual([])
})

test('the tables of permissions in the guide are those of the code', () => {
  const rows = guide.split('\n').filter((line) => line.startsWith('| `'))
  const application = permissions.filter(
    ({ name, or }) => !rows.some((row) => row.startsWith(`| \`${name}\``) && row.includes(or ?? name)),
  )
  const delegated = delegatedPermissions.filter(
    ({ name, api }) => !rows.some((row) => row.startsWith(`| \`${name}\` | ${api} |`)),
  )
  expect([...application, ...delegated].map(({ name }) => name)).toEqual([])
})
