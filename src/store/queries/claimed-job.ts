/** What the jobs of a claim that have name, queue and priority in common share. */
export interface ClaimedKind {
  readonly slot: number
  /** Number of the claim; names the lease row. */
  readonly batch: number
  readonly queueId: number
  readonly name: string
  readonly priority: number
  /** When the one at a place was enqueued, in milliseconds since the epoch. */
  readonly createdAt: (place: number) => number
}

/** What most jobs do not have, or have in its first form. */
export interface Rare {
  readonly seq: number
  readonly claim: number
  readonly attempt: number
  readonly crashes: number
  readonly tags: readonly string[] | null
  readonly headers: Readonly<Record<string, string>> | null
  readonly trace: string | null
  readonly options: Readonly<Record<string, unknown>> | null
  readonly awaited: boolean
  readonly late: boolean | null
}

const noTags: readonly string[] = Object.freeze([])
const noFacts: Readonly<Record<string, never>> = Object.freeze({})

/** A job that a worker has claimed. Small, since thousands a second are made: what is shared or usual is not kept per job. */
export class ClaimedJob {
  readonly id: string
  readonly seq: number
  /** JSON text. */
  readonly input: string | null
  readonly key: string | undefined
  readonly #kind: ClaimedKind
  readonly #place: number
  readonly #rare: Rare | undefined

  /** @param place among its kind */
  constructor(
    kind: ClaimedKind,
    place: number,
    id: string,
    input: string | null,
    key: string | undefined,
    rare: Rare | undefined,
  ) {
    this.id = id
    this.seq = rare?.seq ?? seqOf(id)
    this.input = input
    this.key = key
    this.#kind = kind
    this.#place = place
    this.#rare = rare
  }

  get slot(): number {
    return this.#kind.slot
  }
  get batch(): number {
    return this.#kind.batch
  }
  get queueId(): number {
    return this.#kind.queueId
  }
  get priority(): number {
    return this.#kind.priority
  }
  get name(): string {
    return this.#kind.name
  }
  get claim(): number {
    return this.#rare?.claim ?? 1
  }
  get attempt(): number {
    return this.#rare?.attempt ?? 1
  }
  get crashes(): number {
    return this.#rare?.crashes ?? 0
  }
  get tags(): readonly string[] {
    return this.#rare?.tags ?? noTags
  }
  get headers(): Readonly<Record<string, string>> {
    return this.#rare?.headers ?? noFacts
  }
  get trace(): string | undefined {
    return this.#rare?.trace ?? undefined
  }
  get options(): Readonly<Record<string, unknown>> {
    return this.#rare?.options ?? noFacts
  }
  /** Somebody has to be told when it ends, as far as was known when it was claimed. */
  get awaited(): boolean {
    return this.#rare?.awaited ?? false
  }
  /** It should have started before, and is not to be run any more. */
  get late(): boolean {
    return this.#rare?.late ?? false
  }
  /** Milliseconds since the epoch. */
  get createdAt(): number {
    return this.#kind.createdAt(this.#place)
  }
}

/** An id is `seq << 8 | slot`, drawn together; a double holds ids up to 2^53 exactly. */
function seqOf(id: string): number {
  const number = Number(id)
  return Number.isSafeInteger(number) ? Math.floor(number / 256) : Number(BigInt(id) >> 8n)
}
