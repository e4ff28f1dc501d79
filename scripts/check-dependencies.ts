/**
 * Looks at what the project brings along, from package-lock.json: licences of all that is shipped, packages that want to
 * run a script at installation, and known vulnerabilities where the registry tells. Exit code 1 with a line for each
 * finding. Run by `.ci/run`.
 */
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { z } from 'zod'

/** Licences that ask for no more than their own text being kept. Another one is a person's decision. */
const licences = new Set([
  'MIT',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'ISC',
  '0BSD',
  'BlueOak-1.0.0',
  'PostgreSQL',
])

/** Packages whose entry in the lockfile names no licence, and what their own package.json says. */
const looked = new Map([
  // Binaries for other platforms, entered by hand: the registry that wrote the lockfile lacks them.
  ['@msgpackr-extract/', 'MIT'],
])

/** Advisories that do not concern us: id, why, and until when that is believed. */
const accepted: { id: string; why: string; until: string }[] = []

const lockfile = z.object({
  packages: z.record(
    z.string(),
    z.looseObject({
      version: z.string().optional(),
      license: z.string().optional(),
      dev: z.boolean().optional(),
      hasInstallScript: z.boolean().optional(),
    }),
  ),
})
const manifest = z.looseObject({ allowScripts: z.record(z.string(), z.boolean()) })
const report = z.object({
  vulnerabilities: z.record(
    z.string(),
    z.looseObject({
      severity: z.string(),
      via: z.array(
        z.union([z.string(), z.looseObject({ source: z.number(), title: z.string(), url: z.string() })]),
      ),
    }),
  ),
})

const root = new URL('../', import.meta.url)
const read = async (name: string): Promise<unknown> => JSON.parse(await readFile(new URL(name, root), 'utf8'))
const { packages } = lockfile.parse(await read('package-lock.json'))
const { allowScripts } = manifest.parse(await read('package.json'))
const findings: string[] = []
const nameOf = (path: string): string =>
  path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)

const shipped = Object.entries(packages).filter(([path, { dev }]) => path !== '' && dev !== true)
for (const [path, { license }] of shipped) {
  const name = nameOf(path)
  const known = license ?? [...looked].find(([prefix]) => name.startsWith(prefix))?.[1]
  const parts = (known ?? 'none').replace(/[()]/g, '').split(' OR ')
  if (!parts.some((one) => licences.has(one)))
    findings.push(
      `${name}: licence ${known ?? 'not told'}. Decide whether it may be shipped, then list it here.`,
    )
}

const scripted = Object.entries(packages).filter(([, { hasInstallScript }]) => hasInstallScript === true)
for (const [path] of scripted) {
  const name = nameOf(path)
  if (!Object.hasOwn(allowScripts, name))
    findings.push(
      `${name}: wants to run a script when it is installed. Say in package.json, allowScripts, whether it may.`,
    )
}
for (const name of Object.keys(allowScripts)) {
  if (!scripted.some(([path]) => nameOf(path) === name))
    findings.push(`${name}: is listed in allowScripts and has no script any more. Take it out.`)
}

const today = new Date().toISOString().slice(0, 10)
let audited = 'audited'
const answer = await audit()
if (answer === null) audited = 'NOT audited: the registry does not answer such questions'
for (const [name, { severity, via }] of Object.entries(answer?.vulnerabilities ?? {})) {
  for (const one of via) {
    if (typeof one === 'string') continue
    const id = one.url.slice(one.url.lastIndexOf('/') + 1)
    if (accepted.some((known) => known.id === id && known.until >= today)) continue
    findings.push(`${name}: ${severity}, ${one.title} (${one.url})`)
  }
}

for (const finding of findings) process.stderr.write(`${finding}\n`)
process.stdout.write(
  `${shipped.length} packages shipped, ${scripted.length} with install scripts, ${audited}; ${findings.length} findings\n`,
)
process.exitCode = findings.length === 0 ? 0 : 1

/** npm's audit of what is shipped; null = the registry has no such service (a mirror may lack it). */
async function audit(): Promise<z.output<typeof report> | null> {
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm'
  const run = promisify(execFile)
  const text = await run(npm, ['audit', '--omit=dev', '--json'], { cwd: root, timeout: 120_000 }).then(
    ({ stdout }) => stdout,
    // Exit code 1 = it has found something, or could not ask.
    (error: unknown) => (error instanceof Error && 'stdout' in error ? String(error.stdout) : ''),
  )
  try {
    const parsed = report.safeParse(JSON.parse(text))
    return parsed.success ? parsed.data : null
  } catch {
    return null
  }
}
