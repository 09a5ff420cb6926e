import { defineConfig } from 'vitest/config'

// Tests that touch no database would only repeat themselves on the second one. A test of a library that works with
// one kind of database only says so in its file name.
const withoutDatabase = ['test/core/**/*.test.ts', 'test/client/**/*.test.ts', 'test/package/**/*.test.ts']

const onDatabase = {
  include: ['test/**/*.test.ts'],
  globalSetup: './test/support/global-setup.ts',
  setupFiles: './test/support/after-file.ts',
}

export default defineConfig({
  test: {
    testTimeout: 15_000,
    hookTimeout: 30_000,
    projects: [
      { extends: true, test: { name: 'pure', include: withoutDatabase } },
      { extends: true, test: { name: 'pglite', ...onDatabase, exclude: [...withoutDatabase, 'test/**/*.pg.test.ts'] } },
      {
        extends: true,
        test: { name: 'postgres', ...onDatabase, exclude: [...withoutDatabase, 'test/**/*.pglite.test.ts'] },
      },
    ],
  },
})
