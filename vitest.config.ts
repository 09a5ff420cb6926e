import { defineConfig } from 'vitest/config'

// Tests that touch no database would only repeat themselves on the second one. Elsewhere a file says so in its name:
// *.pure.test.ts needs no database, *.pg.test.ts and *.pglite.test.ts work with that kind only.
const withoutDatabase = ['core', 'client', 'package'].map((folder) => `test/${folder}/**/*.test.ts`)
withoutDatabase.push('test/**/*.pure.test.ts')

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
