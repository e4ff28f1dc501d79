import { spawn } from 'node:child_process'

export interface Ended {
  code: number | null
  stdout: string
  stderr: string
}

/** Runs `entra-sync` as a process of its own, with `env` and next to nothing of ours. stdout is no terminal. */
export function runCommand(args: string[], env: Record<string, string> = {}): Promise<Ended> {
  const { PATH = '', HOME = '', NODE_EXTRA_CA_CERTS = '' } = process.env
  const child = spawn(process.execPath, ['src/main.ts', ...args], {
    env: { PATH, HOME, NODE_EXTRA_CA_CERTS, LOG_PRETTY: 'false', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, stdout, stderr }))
  })
}
