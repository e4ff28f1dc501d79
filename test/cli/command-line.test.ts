import { expect, test } from 'vitest'
import { commandLine } from '../../src/command-line/program.ts'
import { runCommand } from './run-command.ts'

const program = commandLine(async () => undefined)
const commands = program.commands.flatMap((command) =>
  command.commands.length === 0
    ? [[command.name()]]
    : command.commands.map((sub) => [command.name(), sub.name()]),
)

test('the help names every command, and none that is not there', async () => {
  const { code, stdout, stderr } = await runCommand(['--help'])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  const listed = [...stdout.matchAll(/^ {2}([a-z-]+)[ [<]/gm)].map((match) => match[1])
  expect(listed.filter((name) => name !== 'help')).toEqual([...new Set(commands.map(([name]) => name))])
})

test('every command explains itself', async () => {
  for (const command of commands) {
    const { code, stdout } = await runCommand([...command, '--help'])
    expect({ command, code }).toEqual({ command, code: 0 })
    expect(stdout).toContain(`Usage: entra-sync ${command.join(' ')}`)
  }
})

test.each([
  [[]],
  [['frobnicate']],
  [['status', '--frobnicate']],
  [['status', 'one', 'two']],
  [['sync']],
  [['sync', 'contoso.com', '--all']],
  [['pause']],
  [['init', '--name', 'X']],
  [['customers']],
  [['customers', 'import']],
  [['run', '--only', 'worker,juggler']],
  [['demo', '--queue', 'kafka']],
])('wrong use %j: exit code 2, told on stderr, nothing on stdout', async (args) => {
  const { code, stdout, stderr } = await runCommand(args)
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  expect(stderr).toMatch(/error:|Usage:/)
  expect(stderr).not.toMatch(/^\s+at /m)
})

test('a bad configuration: exit code 1, all problems on stderr, one document with --json', async () => {
  const env = { HTTP_PORT: 'x', DATABASE_URL: 'mysql://u:hunter2@db/x' }
  const { code, stdout, stderr } = await runCommand(['status', '--json'], env)
  expect(code).toBe(1)
  expect(stderr).toMatch(/HTTP_PORT must be a whole number/)
  expect(stderr).toMatch(/DATABASE_URL is no URL/)
  expect(stderr).not.toMatch(/^\s+at |hunter2/m)
  expect(JSON.parse(stdout)).toMatchObject({ error: { kind: 'config', code: 'config_invalid' } })
})

test('a database that does not answer: one line that says what to do', async () => {
  const env = { DATABASE_URL: 'postgres://u:hunter2@127.0.0.1:1/x' }
  const { code, stdout, stderr } = await runCommand(['status'], env)
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  expect(stderr.trim().split('\n')).toHaveLength(1)
  expect(stderr).toMatch(/DATABASE_URL/)
  expect(stderr).not.toMatch(/hunter2/)
})
