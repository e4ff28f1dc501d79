import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chromium, type Browser } from 'playwright-core'

const executablePath = '/usr/bin/chromium'
const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** A headless Chromium from Debian with an empty profile. Installs the package where that is possible. */
export async function openBrowser(): Promise<Browser> {
  if (!existsSync(executablePath)) install()
  return chromium.launch({ executablePath, args: flags })
}

function install(): void {
  try {
    execFileSync('apt-get', ['update', '-qq'], { stdio: 'ignore' })
    execFileSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'chromium'], {
      stdio: 'ignore',
    })
  } catch (cause) {
    throw new Error(
      `This test drives a real browser, and ${executablePath} is not there. Install Debian's package chromium.`,
      {
        cause,
      },
    )
  }
}
