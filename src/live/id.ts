import { optionError } from '../core/errors.ts'

/** @throws LW_OPTION_INVALID: an id is a positive bigint, as text */
export function checkedId(id: string, rule: string): string {
  if (!/^\d{1,19}$/.test(id) || BigInt(id) >= 2n ** 63n) throw optionError('id', rule, id)
  return id
}
