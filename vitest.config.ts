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
    // One process per core for all files: PGlite compiles for a second before its first database, and needs 0.3 s after.
    // Chaos tests and those of signals need a real process, which a thread is not.
    pool: 'forks',
    isolate: false,
    maxWorkers: '100%',
    unstubEnvs: true,
    restoreMocks: true,
    testTimeout: 15_000,
    hookTimeout: 30_000,
    projects: [
      {
        extends: true,
        test: {
          name: 'pure',
          include: withoutDatabase,
          typecheck: { enabled: true, include: ['test/types/**/*.test-d.ts'], ignoreSourceErrors: true },
        },
      },
      { extends: true, test: { name: 'pglite', ...onDatabase, exclude: [...withoutDatabase, 'test/**/*.pg.test.ts'] } },
      {
        extends: true,
        test: { name: 'postgres', ...onDatabase, exclude: [...withoutDatabase, 'test/**/*.pglite.test.ts'] },
      },
    ],
  },
})
