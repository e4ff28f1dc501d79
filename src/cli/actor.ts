import { userInfo } from 'node:os'

/** Who runs a command, for the audit log: the operating system's user. */
export function actorOfCommand(): string {
  return `command (${userName()})`
}

function userName(): string {
  try {
    return userInfo().username
  } catch {
    // A container may run under a number that has no entry in /etc/passwd.
    return `uid ${process.getuid?.() ?? '?'}`
  }
}
