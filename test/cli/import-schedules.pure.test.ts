import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from 'vitest'
import { run } from '../../src/cli/cli.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const sample = (name: string) => join(root, 'test/cli/samples', name)
const folder = mkdtempSync(join(tmpdir(), 'legwork-import-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

async function legwork(...args: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  const said = { out: '', err: '' }
  const code = await run(args, {
    out: (text) => (said.out += text),
    err: (text) => (said.err += text),
    env: {},
    readFile: async (path) => readFileSync(path, 'utf8'),
    writeFile: async (path, text) => writeFileSync(path, text),
  })
  return { code, ...said }
}

interface Data {
  readonly schedules: readonly Record<string, unknown>[]
  readonly notes: readonly { where: string; kind: string; text: string }[]
}

async function imported(system: string, file: string, ...more: readonly string[]): Promise<Data> {
  const { code, out } = await legwork('import-schedules', system, sample(file), '--json', ...more)
  expect(code).toBe(0)
  return JSON.parse(out) as Data
}

test('a crontab: lines with their zone, their input and their environment, and what each that is left out lacks', async () => {
  const { schedules, notes } = await imported('crontab', 'crontab.txt', '--timezone', 'Asia/Tokyo')
  expect(schedules).toMatchObject([
    {
      id: 'backup',
      job: 'command',
      cron: '30 2 * * *',
      timezone: 'Asia/Tokyo',
      overlap: 'allow',
      catchUp: 'none',
      retry: false,
      input: { command: '/usr/local/bin/backup.sh --full 2>&1', env: { PATH: '/usr/bin:/bin' } },
      where: 'line 4',
      sentence: 'At 02:30 every day, on the clock of Asia/Tokyo.',
    },
    { id: 'tick', cron: '*/5 9-17 * * mon-fri', input: { command: 'cd /srv/app && node tick.mjs' } },
    { id: 'certbot', cron: 'H(0-59) 3 * * *' },
    { id: 'cat', cron: '@daily', input: { command: 'cat', stdin: 'line one\nline two % done\n' } },
    { id: 'report', cron: '0 8 1 * *', timezone: 'Europe/Berlin' },
  ])
  expect(notes).toMatchObject([
    { where: 'line 2', kind: 'lost' },
    { where: 'line 6', kind: 'left out', text: expect.stringContaining('no machine that starts') as string },
    { where: 'line 7', kind: 'changed' },
    { where: 'line 11', kind: 'left out', text: expect.stringContaining('no date fits') as string },
    { where: 'line 12', kind: 'left out', text: expect.stringContaining('minute of cron') as string },
  ])
})

test('a crontab of the system has users', async () => {
  writeFileSync(join(folder, 'cron'), '0 1 * * * www-data /usr/bin/php /srv/cron.php\n')
  const { out, err } = await legwork('import-schedules', 'crontab', join(folder, 'cron'), '--json', '--system')
  expect((JSON.parse(out) as Data).schedules).toMatchObject([
    { id: 'cron', input: { command: '/usr/bin/php /srv/cron.php' } },
  ])
  expect(err).toContain('line 1, lost: It ran as the user www-data')
  expect(err).toContain('the file, changed: Lines without CRON_TZ')
  expect(err).toContain('1 imported, 0 left out.')
})

test('Quartz, as XML', async () => {
  const { schedules, notes } = await imported('quartz', 'quartz.xml')
  expect(schedules).toMatchObject([
    {
      id: 'mail.every-morning',
      job: 'com.example.ReportJob',
      cron: '0 0 8 ? * MON-FRI',
      dialect: 'quartz',
      timezone: 'America/New_York',
      exclude: 'holidays',
      catchUp: 'none',
      overlap: 'allow',
      retry: false,
      input: { kind: 'daily', to: 'ada@example.com' },
      where: 'line 11, trigger every-morning',
    },
    {
      id: 'five-times',
      every: 60_000,
      phase: 10_000,
      startAt: '2026-01-01T00:00:10.000Z',
      maxRuns: 5,
      catchUp: 'last',
    },
    { id: 'monthly', job: 'other', rrule: 'DTSTART:20260131T060000Z\nRRULE:FREQ=MONTHLY;INTERVAL=2' },
  ])
  expect(notes.map(({ where, kind }) => `${where}: ${kind}`)).toEqual([
    'line 11, trigger every-morning: changed',
    'line 43, trigger wrong: left out',
    'the file: changed',
  ])
})

test('Quartz, as JSON in any spelling', async () => {
  const { schedules, notes } = await imported('quartz', 'quartz.json')
  expect(schedules).toMatchObject([
    { id: 'clean-up', job: 'Example.CleanJob', cron: '0 0/15 * * * ?', dialect: 'quartz', timezone: 'Europe/Berlin' },
    { id: 'ticker', job: 'Example.CleanJob', every: 30_000 },
  ])
  expect(notes.map(({ where, kind }) => `${where}: ${kind}`)).toEqual([
    'trigger clean-up: lost',
    'trigger ticker: changed',
    'the file: changed',
  ])
})

test('Hangfire, as rows of its table of hashes', async () => {
  const { schedules, notes } = await imported('hangfire', 'hangfire.json')
  expect(schedules).toMatchObject([
    {
      id: 'mail.digest',
      job: 'Shop.Mailer.Digest',
      cron: '0 8 * * *',
      timezone: 'Europe/Budapest',
      queue: 'mail',
      catchUp: 'last',
      input: { arguments: ['daily'] },
    },
    { id: 'friday-13', calendar: { day: '13', weekday: '5', hour: '0', minute: '0' }, catchUp: 'none' },
    { id: 'last-day', calendar: { day: 'LW', hour: '23', minute: '30', second: '0' } },
  ])
  expect(notes.map(({ where, kind }) => `${where}: ${kind}`)).toEqual([
    'recurring job never: left out',
    'recurring job mars: left out',
    'the file: changed',
  ])
})

test('Hangfire, as its API and its hashes have them', async () => {
  const hashes = { 'recurring-job:a': { Cron: '5 4 * * *', Job: '{"t":"A.B, C","m":"Run","a":["1"]}' } }
  const list = [{ Id: 'a', Cron: '5 4 * * *', Job: { Type: { FullName: 'A.B' }, Method: { Name: 'Run' }, Args: [1] } }]
  for (const form of [hashes, list]) {
    writeFileSync(join(folder, 'hangfire.json'), JSON.stringify(form))
    const { out } = await legwork('import-schedules', 'hangfire', join(folder, 'hangfire.json'), '--json')
    expect((JSON.parse(out) as Data).schedules).toMatchObject([{ id: 'a', job: 'A.B.Run', input: { arguments: [1] } }])
  }
})

test('Azure Scheduler', async () => {
  const { schedules, notes } = await imported('azure', 'azure.json')
  expect(schedules).toMatchObject([
    {
      id: 'ping',
      job: 'http',
      every: 900_000,
      phase: 420_000,
      startAt: '2026-01-01T00:07:00.000Z',
      maxRuns: 100,
      retry: { attempts: 3, backoff: 'fixed', first: 60_000 },
      input: { url: 'https://example.com/ping', method: 'POST', body: '{}', headers: { x: '1' } },
    },
    {
      id: 'payroll',
      rrule: 'DTSTART:20260101T093000Z\nRRULE:FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=9;BYMINUTE=30',
      endAt: '2026-12-31T00:00:01.000Z',
      isOff: true,
      input: { run: 1 },
    },
    { id: 'weekly', rrule: 'DTSTART:19700101T000000Z\nRRULE:FREQ=WEEKLY;BYDAY=MO,TH;BYHOUR=6;BYMINUTE=0' },
  ])
  expect(notes.map(({ where, kind }) => `${where}: ${kind}`)).toEqual([
    'job payroll: lost',
    'job payroll: changed',
    'job weekly: changed',
    'job once: left out',
  ])
})

test('EventBridge: rules, and schedules of its scheduler', async () => {
  const rules = await imported('eventbridge', 'eventbridge.json')
  expect(rules.schedules).toMatchObject([
    { id: 'nightly', job: 'summary', cron: 'cron(0 2 ? * MON-FRI *)', dialect: 'eventbridge', input: { deep: true } },
    { id: 'often', cron: 'rate(5 minutes)', isOff: true },
  ])
  expect(rules.notes.map(({ where, kind }) => `${where}: ${kind}`)).toEqual([
    'rule often: changed',
    'rule often: lost',
    'rule often: changed',
    'rule on-upload: left out',
  ])
  expect((await imported('eventbridge', 'scheduler.json')).schedules).toMatchObject([
    {
      id: 'billing/invoices',
      job: 'invoices',
      timezone: 'America/New_York',
      dst: { gap: 'skip' },
      startAt: '2026-01-01T00:00:00.000Z',
      window: '15m',
      startDeadline: '3600s',
      retry: 6,
      input: {},
    },
  ])
})

const written = [
  ['crontab', 'crontab.txt'],
  ['quartz', 'quartz.xml'],
  ['hangfire', 'hangfire.json'],
  ['azure', 'azure.json'],
  ['eventbridge', 'scheduler.json'],
] as const

test('what is written for each system fits the types, and loads', async () => {
  for (const [system, file] of written) {
    const out = join(folder, `${system}.ts`)
    expect(await legwork('import-schedules', system, sample(file), '--out', out)).toMatchObject({ code: 0, out: '' })
  }
  const names = written.map(([system]) => system)
  const main = names.map((name) => `import * as ${name} from './${name}.ts'\nconsole.log(${name}.schedules.length)`)
  writeFileSync(join(folder, 'main.ts'), main.join('\n'))
  const paths = { legwork: [join(root, 'src/index.ts')] }
  const compilerOptions = { paths, allowImportingTsExtensions: true }
  const project = { extends: join(root, 'tsconfig.json'), compilerOptions, include: ['*.ts'] }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(project))
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'), 'junction')
  const tsc = spawnSync(join(root, 'node_modules/.bin/tsc'), ['-p', folder, '--pretty', 'false'], { encoding: 'utf8' })
  expect(tsc.stdout).toBe('')
  const tsx = spawnSync(join(root, 'node_modules/.bin/tsx'), [join(folder, 'main.ts')], {
    encoding: 'utf8',
    env: { ...process.env, TSX_TSCONFIG_PATH: join(folder, 'tsconfig.json') },
  })
  expect(tsx.stderr).toBe('')
  expect(tsx.stdout).toBe('5\n3\n3\n2\n1\n')
}, 120_000)

test('text of others can neither end a comment nor leave its string', async () => {
  writeFileSync(
    join(folder, 'evil.json'),
    JSON.stringify({ Rules: [{ Name: "*/ 'x'; \n evil()", EventBusName: '*/', ScheduleExpression: 'rate(1 day)' }] }),
  )
  const { out } = await legwork('import-schedules', 'eventbridge', join(folder, 'evil.json'))
  expect(out.split('\n').filter((line) => line.startsWith('/**'))).toSatisfy((lines: string[]) =>
    lines.every((line) => line.indexOf('*/') === line.length - 2),
  )
  expect(out).toContain(String.raw`schedule("*/ 'x'; \n evil()", {`)
})

test.each([
  [['import-schedules'], 2, 'Name a system: azure, crontab, eventbridge, hangfire, quartz'],
  [['import-schedules', 'crontab'], 2, 'Name one file'],
  [['import-schedules', 'crontab', '/does/not/exist'], 2, 'cannot be read'],
  [['import-schedules', 'azure', sample('crontab.txt')], 2, 'not JSON'],
  [['import-schedules', 'quartz', '--yaml'], 2, '--yaml'],
  [['import-schedule'], 2, 'Did you mean import-schedules?'],
  [[], 0, ''],
  [['--version'], 0, ''],
  [['trigger', '--help'], 0, ''],
  [['help', 'import-schedules'], 0, ''],
])('legwork %j ends with %i', async (args, code, reason) => {
  const said = await legwork(...args)
  expect(said.code).toBe(code)
  expect(said.err).toContain(reason)
  if (code === 0) expect(said.out).not.toBe('')
})
