import { expect, onTestFinished, test } from 'vitest'
import { job, legwork, type Legwork, type LegworkOptions, Snooze, type WorkOptions } from '../../src/index.ts'
import { databaseOption } from '../conformance/support.ts'
import { freshDatabase, type TestDatabase } from '../support/database.ts'

/** What the database refuses to write must cost the one job an attempt, never a job its life or its neighbours theirs. */

async function engineOn(database: TestDatabase, options: Omit<LegworkOptions, 'database'>): Promise<Legwork> {
  const lw = await legwork({ ...options, database: databaseOption(database) })
  onTestFinished(() => lw.close({ timeout: 0 }))
  return lw
}

const quick: WorkOptions = { lease: '400ms', poll: '100ms', stopOnSignal: false }

test('a job whose outcome could not be written runs again, also when others of its claim end well', async () => {
  const database = await freshDatabase()
  const runs = { refused: 0, other: 0 }
  let release: () => void = () => undefined
  const released = new Promise<void>((resolve) => (release = resolve))
  const refused = job('refused', {}, async () => void runs.refused++)
  const other = job('other', {}, async () => {
    runs.other++
    await released
  })
  const lw = await engineOn(database, { jobs: [refused, other] })
  const refs = [await lw.enqueue(refused), await lw.enqueue(other)]
  await refuse(database, 'refused')
  const failed = nextError(lw)
  await lw.work(quick)
  expect(await failed).toMatchObject({ during: 'writing outcomes' })
  await database.query('drop trigger refuse on legwork.finished')
  release()
  await Promise.all(refs.map((ref) => ref.result({ timeout: '10s' })))
  expect(runs).toEqual({ refused: 2, other: 1 })
  expect(await leases(database)).toBe(0)
})

test('an outcome the database refuses does not take those with it that were to be written together with it', async () => {
  const database = await freshDatabase()
  let good = 0
  const bad = job('bad', {}, async () => undefined)
  const fine = job('fine', {}, async () => void good++)
  const lw = await engineOn(database, { jobs: [bad, fine] })
  await refuse(database, 'bad')
  const badRef = await lw.enqueue(bad)
  const refs = await lw.enqueueMany(fine, Array.from({ length: 20 }))
  await lw.work({ ...quick, concurrency: 50 })
  await Promise.all(refs.map((ref) => ref.result({ timeout: '10s' })))
  expect(good).toBe(20)
  await database.query('drop trigger refuse on legwork.finished')
  await badRef.result({ timeout: '10s' })
})

test('an engine closes although an outcome of its last job cannot be written, without waiting any longer', async () => {
  const database = await freshDatabase()
  let release: () => void = () => undefined
  const released = new Promise<void>((resolve) => (release = resolve))
  const refused = job('refused', {}, () => released)
  const lw = await engineOn(database, { jobs: [refused] })
  await lw.enqueue(refused)
  await refuse(database, 'refused')
  const started = new Promise((resolve) => lw.on('started', resolve))
  await lw.work(quick)
  await started
  const failed = nextError(lw)
  const closed = lw.close({ timeout: '1h' })
  release()
  await closed
  expect(await failed).toMatchObject({ during: 'writing outcomes' })
})

test('a snooze with a message that no JSON can hold is a snooze all the same', async () => {
  const database = await freshDatabase()
  const snoozing = job('snoozing', {}, async ({ attempt }) => {
    if (runs++ === 0) throw new Snooze('1ms', 'not \0 yet \ud800')
    return attempt
  })
  let runs = 0
  const lw = await engineOn(database, { jobs: [snoozing] })
  const errors: unknown[] = []
  lw.on('error', (error) => errors.push(error))
  await lw.work(quick)
  const ref = await lw.enqueue(snoozing)
  expect(await ref.result({ timeout: '10s' })).toBe(1)
  expect(errors).toEqual([])
  expect(await ref.attempts()).toMatchObject([{ outcome: 'snooze', error: { message: 'not ␀ yet \ufffd' } }])
})

/** Makes the database refuse to put jobs of one name into history. */
async function refuse(database: TestDatabase, name: string): Promise<void> {
  await database.query(
    `create function refuse() returns trigger language plpgsql as $$ begin raise exception 'refused'; end $$`,
  )
  await database.query(
    `create trigger refuse before insert on legwork.finished for each row when (new.name = '${name}') execute function refuse()`,
  )
}

function nextError(lw: Legwork): Promise<{ during: string }> {
  return new Promise((resolve) => lw.on('error', resolve))
}

async function leases(database: TestDatabase): Promise<number | undefined> {
  return (await database.query<{ n: number }>('select count(*)::int as n from legwork.lease'))[0]?.n
}
