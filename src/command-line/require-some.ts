import type { Command } from 'commander'

/** Wrong use, unless either ids or --all are given. */
export function requireSome(command: Command, given: string[], all: boolean): void {
  if (all && given.length > 0) command.error('error: give either ids or --all', { exitCode: 2 })
  if (!all && given.length === 0) command.error('error: give ids, or --all', { exitCode: 2 })
}
