import { Abort } from 'legwork'

export interface Charge {
  readonly key: string
  readonly order: string
  readonly cents: number
  readonly card: string
}

/** Everything the payment and the shipping service know, for an audit. */
export interface Books {
  readonly charges: readonly {
    readonly key: string
    readonly order: string
    readonly cents: number
    readonly refunded: number
  }[]
  readonly parcels: readonly { readonly key: string; readonly order: string; readonly parcel: string }[]
}

/** The payment and the shipping service, over HTTP. */
export interface Services {
  charge(charge: Charge): Promise<string>
  refund(key: string): Promise<void>
  ship(what: { readonly key: string; readonly order: string; readonly to: string }): Promise<string>
  books(): Promise<Books>
}

/** Milliseconds until a service counts as silent. */
const patience = 1_500

/** @param url where payment-process.ts listens */
export function connectServices(url: string): Services {
  return {
    async charge({ key, order, cents, card }) {
      const { receipt } = (await call(url, '/charges', { key, order, cents, card })) as { receipt: string }
      return receipt
    },
    async refund(key) {
      await call(url, '/refunds', { key })
    },
    async ship({ key, order, to }) {
      const { parcel } = (await call(url, '/parcels', { key, order, to })) as { parcel: string }
      return parcel
    },
    async books() {
      const response = await fetch(`${url}/books`, { signal: AbortSignal.timeout(10_000) })
      return (await response.json()) as Books
    },
  }
}

/** 402 and 422 are answers, for good; any other failure, and none at all, may be different next time. */
async function call(url: string, path: string, body: unknown): Promise<unknown> {
  const response = await fetch(`${url}${path}`, {
    method: 'POST',
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(patience),
  }).catch((cause: unknown) => {
    throw new Error('no answer came', { cause })
  })
  const answer = (await response.json()) as { error?: string }
  if (response.status === 402 || response.status === 422) throw new Abort(answer.error)
  if (!response.ok) throw new Error(answer.error ?? `${path} answered ${response.status}`)
  return answer
}
