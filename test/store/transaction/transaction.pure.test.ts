import { describe, expect, test } from 'vitest'
import { toKnex } from '../../../src/store/transaction/knex.ts'
import { transactionOf } from '../../../src/store/transaction/transaction.ts'

describe('transactionOf', () => {
  test('takes any object with query(text, params) that returns rows, in either form', async () => {
    const calls: unknown[] = []
    const rows = [{ id: '1' }]
    const withRows = { query: async (...call: unknown[]) => (calls.push(call), { rows }) }
    const bare = { query: async () => rows }
    expect(await transactionOf(withRows).query('select $1', ['x'])).toEqual(rows)
    expect(await transactionOf(bare).query('select 1', [])).toEqual(rows)
    expect(await transactionOf(transactionOf(bare)).query('select 1', [])).toEqual(rows)
    expect(calls).toEqual([['select $1', ['x']]])
  })

  test('keeps the `this` of the handle', async () => {
    class Handle {
      readonly rows = [{ id: '1' }]
      async query(): Promise<Record<string, unknown>[]> {
        return this.rows
      }
    }
    expect(await transactionOf(new Handle()).query('select 1', [])).toEqual([{ id: '1' }])
  })

  test('says so when query does not return rows', async () => {
    await expect(transactionOf({ query: async () => 3 }).query('select 1', [])).rejects.toMatchObject({
      code: 'LW_TX_UNKNOWN',
    })
  })

  test.each([
    ['undefined', undefined],
    ['null', null],
    ['"postgres://…"', 'postgres://…'],
    ['an object of Date', new Date(0)],
    ['an object', Object.create(null)],
    ['function begin', function begin() {}],
    ['It can begin transactions', { query: async () => [], transaction: async () => {} }],
    ['It can begin transactions', Object.assign(() => [], { query: async () => [], begin: async () => {} })],
    ['It is a promise; await it first.', Promise.resolve()],
  ])('refuses what it does not know: %s', (text, value) => {
    expect(() => transactionOf(value)).toThrow(
      expect.objectContaining({ code: 'LW_TX_UNKNOWN', message: expect.stringContaining(text) }),
    )
  })
})

describe('toKnex', () => {
  test.each([
    ['select 1', [], 'select 1', []],
    ['select $1, $2', ['a', 'b'], 'select ?, ?', ['a', 'b']],
    ['select $2, $1, $2', ['a', 'b'], 'select ?, ?, ?', ['b', 'a', 'b']],
    ['select $1::jsonb ? $2', ['{}', 'a'], 'select ?::jsonb \\? ?', ['{}', 'a']],
    ["select 'it''s $1?', $1", ['a'], "select 'it''s $1\\?', ?", ['a']],
    ['select "a?$1", $1', ['a'], 'select "a\\?$1", ?', ['a']],
    ['select $$ $1? $$, $x$ $$ $1 $x$, $1', ['a'], 'select $$ $1\\? $$, $x$ $$ $1 $x$, ?', ['a']],
    ['select $1 -- $2?\n, /* $2? */ $1', ['a'], 'select ? -- $2\\?\n, /* $2\\? */ ?', ['a', 'a']],
    ['select $10', [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], 'select ?', [9]],
  ])('%s', (text, params, sql, bindings) => {
    expect(toKnex(text, params)).toEqual({ sql, bindings })
  })
})
