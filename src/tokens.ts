import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Clock } from './core/clock.ts'
import type { SignalTokenOptions, TokenTerms } from './core/durable.ts'
import { milliseconds } from './core/duration.ts'
import { LegworkError, optionError } from './core/errors.ts'
import type { AnyJob } from './core/definition.ts'
import type { RefParts } from './live/ref.ts'
import { notFound } from './live/results.ts'
import { checkTopic, sendSignal } from './live/signal.ts'

/** What a token lets its bearer do: send one topic to one job. */
export interface TokenClaim extends TokenTerms {
  readonly job: string
  readonly topic: string
}

/** Says that it was made here, and for this. Another version must say something else. */
const purpose = 'legwork signal token 1'
const shortest = 32
const longestTopic = 500

/**
 * Makes and reads tokens that let whoever has them send a signal: what they allow in the open, and its HMAC-SHA256. The
 * name of the database is part of what is signed: ids begin anew in every one.
 */
export class Tokens {
  readonly #secret: string | undefined
  readonly #clock: Clock

  /** @throws LW_OPTION_INVALID when the secret is too short */
  constructor(clock: Clock, secret: string | undefined) {
    if (secret !== undefined && (typeof secret !== 'string' || secret.length < shortest)) throw badSecret(secret)
    this.#secret = secret
    this.#clock = clock
  }

  /** When a new token expires and what makes it differ from others. */
  terms({ expiresIn = '7d', once = true }: SignalTokenOptions = {}): TokenTerms {
    const ms = milliseconds(expiresIn, 'expiresIn')
    if (ms === 0) throw optionError('expiresIn', 'longer than nothing', expiresIn)
    if (typeof once !== 'boolean') throw optionError('once', 'true or false', once)
    return { nonce: randomBytes(16).toString('base64url'), expires: this.#clock.now() + ms, once }
  }

  /** @param key names the job in this database and no other */
  sign(key: string, { job, topic, nonce, expires, once }: TokenClaim): string {
    if (typeof topic !== 'string' || topic === '' || topic.length > longestTopic || !topic.isWellFormed())
      throw optionError('topic', `text of 1 to ${longestTopic} characters`, topic)
    const body = Buffer.from(JSON.stringify([job, topic, expires, nonce, once])).toString('base64url')
    return `${body}.${this.#mac(key, body).toString('base64url')}`
  }

  /**
   * @param keyOf names a job in this database and no other
   * @throws LW_TOKEN_INVALID, LW_TOKEN_EXPIRED
   */
  read(token: string, keyOf: (job: string) => string): TokenClaim {
    const [body = '', mac = ''] = typeof token === 'string' && token.length < 8_000 ? token.split('.', 2) : []
    const claim = claimOf(body)
    if (!claim || !isSame(Buffer.from(mac, 'base64url'), this.#mac(keyOf(claim.job), body))) throw invalid()
    if (claim.expires <= this.#clock.now())
      throw new LegworkError('LW_TOKEN_EXPIRED', `The token expired at ${new Date(claim.expires).toISOString()}.`, {
        hint: 'Make a new one with signalToken.',
        details: { job: claim.job, topic: claim.topic },
      })
    return claim
  }

  #mac(key: string, body: string): Buffer {
    if (this.#secret === undefined)
      throw new LegworkError('LW_OPTION_INVALID', 'Signal tokens need a secret, and there is none.', {
        hint: `Give legwork({ secret }), or set LEGWORK_SECRET: at least ${shortest} characters, the same in every process.`,
        details: { option: 'secret' },
      })
    return createHmac('sha256', this.#secret).update(`${purpose}\n${key}\n${body}`).digest()
  }
}

/** A token for one topic of a job. */
export async function createToken(
  { store }: RefParts,
  tokens: Tokens,
  job: string,
  definition: AnyJob | undefined,
  topic: string,
  options: SignalTokenOptions | undefined,
): Promise<string> {
  checkTopic(definition, topic)
  const terms = tokens.terms(options)
  return tokens.sign(`${await store.installation()}-${job}`, { ...terms, job, topic })
}

/** Sends the signal that a token allows. */
export async function useToken(parts: RefParts, tokens: Tokens, token: string, data: unknown): Promise<void> {
  const { store, definitions } = parts
  const installation = await store.installation()
  const { job, topic, nonce, expires, once } = tokens.read(token, (id) => `${installation}-${id}`)
  const found = await store.find(job)
  if (!found) throw notFound(job)
  const use = once ? { nonce, expires: new Date(expires) } : undefined
  await sendSignal(parts, job, definitions.get(found.name), topic, data, use)
}

function isSame(a: Buffer, b: Buffer): boolean {
  return a.length === b.length && timingSafeEqual(a, b)
}

/** What a token says of itself, whether it is true or not. */
function claimOf(body: string): TokenClaim | undefined {
  try {
    const [job, topic, expires, nonce, once] = JSON.parse(Buffer.from(body, 'base64url').toString()) as unknown[]
    const isText = typeof job === 'string' && typeof topic === 'string' && typeof nonce === 'string'
    if (!isText || typeof expires !== 'number' || typeof once !== 'boolean') return undefined
    return { job, topic, expires, nonce, once }
  } catch {
    return undefined
  }
}

function invalid(): LegworkError {
  return new LegworkError('LW_TOKEN_INVALID', 'The token was not made with this secret for this database.', {
    hint: 'Take it over as a whole; every process needs the same secret.',
  })
}

/** Without the secret itself: errors are logged. */
function badSecret(secret: unknown): LegworkError {
  const received = typeof secret === 'string' ? `${secret.length} characters` : typeof secret
  return new LegworkError(
    'LW_OPTION_INVALID',
    `Option secret (or LEGWORK_SECRET) must be text of at least ${shortest} characters; received ${received}.`,
    { details: { option: 'secret' } },
  )
}
