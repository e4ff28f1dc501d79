import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/harness/global-setup.ts'],
    setupFiles: ['test/harness/seed.ts'],
    // Processes, not threads: NODE_EXTRA_CA_CERTS is read when a process starts.
    pool: 'forks',
    maxWorkers: 2,
    // Tests wait for conditions. These ends are for what hangs: a busy machine takes many times as long as an idle one.
    testTimeout: 600_000,
    hookTimeout: 300_000,
    expect: { poll: { timeout: 60_000 } },
  },
})
