import { defineConfig } from 'vitest/config'

// Tests that touch no database would only repeat themselves on the second one.
const withoutDatabase = ['test/core/**/*.test.ts', 'test/client/**/*.test.ts', 'test/package/**/*.test.ts']

const onDatabase = {
  include: ['test/**/*.test.ts'],
  exclude: withoutDatabase,
  globalSetup: './test/support/global-setup.ts',
  setupFiles: './test/support/after-file.ts',
}

export default defineConfig({
  test: {
    testTimeout: 15_000,
    hookTimeout: 30_000,
    projects: [
      { extends: true, test: { name: 'pure', include: withoutDatabase } },
      { extends: true, test: { name: 'pglite', ...onDatabase } },
      { extends: true, test: { name: 'postgres', ...onDatabase } },
    ],
  },
})
