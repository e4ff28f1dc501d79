import { defineConfig } from 'vitest/config'

/** The long versions, for `npm run test:chaos`: see CONTRIBUTING.md. */
export default defineConfig({
  test: {
    include: ['test/chaos/**/*.chaos.ts'],
    globalSetup: ['test/harness/global-setup.ts'],
    pool: 'forks',
    // One file after the other: each of them keeps the machine busy by itself.
    maxWorkers: 1,
    testTimeout: 4 * 3_600_000,
    hookTimeout: 60_000,
  },
})
