import type { StepRecord, UndoRecord } from 'legwork'
import { cards, type Fields, mostPieces } from './place.ts'
import type { Order, Product } from './tables.ts'

/** An order with what its job has done. */
export interface View {
  readonly order: Order
  readonly steps: readonly StepRecord[]
  readonly undos: readonly UndoRecord[]
  readonly isOver: boolean
}

export const emptyForm: Fields = { product: 'teapot', quantity: '1', email: 'ada@example.com', card: 'card_good' }

/** @param message what is wrong with the fields that were sent */
export function shopPage(shelf: readonly Product[], fields: Fields, message?: string): string {
  return html(
    'The corner shop',
    `<h1>The corner shop</h1>
<p class="quiet">Every order is one durable job: reserved, charged, confirmed, mailed and shipped, or undone.</p>
${message === undefined ? '' : `<p class="message" role="alert">${escaped(message)}</p>`}
<div class="columns">
<form class="card" method="post" action="/orders">
<h2>Order something</h2>
<fieldset class="products">${shelf.map((product) => choice(product, fields.product)).join('')}</fieldset>
<div class="fields">
<label>Quantity<input name="quantity" type="number" min="1" max="${mostPieces}" required value="${escaped(fields.quantity)}"></label>
<label>E-mail<input name="email" type="email" required value="${escaped(fields.email)}"></label>
<label class="wide">Card<select name="card">${Object.entries(cards).map(cardOption(fields.card)).join('')}</select></label>
</div>
<button>Place the order</button>
</form>
<section class="card"><h2>Leaderboard</h2>${leaderboard(shelf)}</section>
</div>`,
  )
}

function choice({ id, name, cents, stock }: Product, chosen: string): string {
  const left = stock === 0 ? 'sold out' : `${stock} in stock`
  return `<label class="product"><input type="radio" name="product" value="${id}"${id === chosen ? ' checked' : ''}>
<span class="symbol" aria-hidden="true">${escaped(name.slice(0, 1))}</span><span>${escaped(name)}<small>${left}</small></span><span class="price">${euros(cents)}</span></label>`
}

function cardOption(chosen: string) {
  return ([token, { number, what }]: [string, (typeof cards)[string]]): string =>
    `<option value="${token}"${token === chosen ? ' selected' : ''}>${number}, test card that ${what}</option>`
}

function leaderboard(shelf: readonly Product[]): string {
  const sold = shelf.filter((product) => product.sold > 0).toSorted((a, b) => b.sold - a.sold)
  if (sold.length === 0) return '<p class="quiet">Nothing sold yet. Be the first.</p>'
  const lines = sold.map(
    ({ name, sold: pieces }) => `<li><span>${escaped(name)}</span><span class="quiet">${pieces} sold</span></li>`,
  )
  return `<ol class="leaders">${lines.join('')}</ol>`
}

export function orderPage(view: View): string {
  const { id } = view.order
  return html(
    `Order ${id.slice(0, 8)}`,
    `<h1>Order ${id.slice(0, 8)}</h1>
<div id="order" data-events="/orders/${id}/events"${view.isOver ? ' data-over' : ''}>${orderView(view)}</div>
<a class="back" href="/">← Back to the shop</a>
<script src="/live.js" defer></script>`,
  )
}

/** What changes while an order is carried out. Sent whole each time, so that nothing can get out of step. */
export function orderView({ order, steps, undos, isOver }: View): string {
  const { status, reason, quantity, name, cents, email, card, parcel } = order
  return `<p><span class="badge ${status}">${status}</span></p>
${reason === null ? '' : `<p class="message" role="alert">${escaped(reason)}${isOver ? ' Everything was undone; you pay nothing.' : ''}</p>`}
<div class="columns">
<section class="card"><h2>What happens</h2><ol class="steps">${timeline(steps, status, isOver)}</ol>
${undoing(undos, status)}</section>
<section class="card"><h2>Your order</h2><dl>
<dt>Product</dt><dd>${quantity} × ${escaped(name)}</dd><dt>Total</dt><dd>${euros(cents)}</dd>
<dt>E-mail</dt><dd>${escaped(email)}</dd><dt>Card</dt><dd>•••• ${cards[card]?.number.slice(-4) ?? ''}</dd>
${parcel === null ? '' : `<dt>Parcel</dt><dd>${escaped(parcel)}</dd>`}</dl></section>
</div>`
}

const titles: Readonly<Record<string, string>> = {
  begin: 'Order taken up',
  'reserve stock': 'Reserve stock',
  'charge card': 'Charge card',
  confirm: 'Confirm',
  'run order.mail': 'Send mail',
  leaderboard: 'Update leaderboard',
  ship: 'Ship parcel',
  finish: 'Finish',
}

function timeline(steps: readonly StepRecord[], status: Order['status'], isOver: boolean): string {
  const known = steps.flatMap((step) => (titles[step.name] === undefined ? [] : [stepLine(step)]))
  if (isOver || status === 'failed') return known.join('')
  const coming = Object.keys(titles).filter((name) => !steps.some((step) => step.name === name))
  return [...known, ...coming.map((name) => line('coming', '·', titles[name] ?? name, '', undefined))].join('')
}

function stepLine({ name, state, attempts, error, endedAt }: StepRecord): string {
  const title = titles[name] ?? name
  const tries = attempts > 1 ? `${attempts} tries` : ''
  if (state === 'done') return line('done', '✓', title, tries, endedAt)
  if (state === 'failed') return line('failed', '✗', title, error?.message ?? '', endedAt)
  return line('busy', '↻', title, error ? `${error.message}; trying again` : '', undefined)
}

const undoTitles: Readonly<Record<string, string>> = {
  begin: 'Order marked as failed',
  'reserve stock': 'Stock given back',
  'charge card': 'Charge refunded',
}

function undoing(undos: readonly UndoRecord[], status: Order['status']): string {
  const decided = undos.filter(({ state }) => state !== 'registered')
  if (decided.length === 0 || status === 'confirmed') return ''
  const lines = decided.map(({ step, state, error, endedAt }) => {
    const title = undoTitles[step] ?? step
    if (state === 'pending') return line('busy', '↻', title, error?.message ?? '', undefined)
    return state === 'failed'
      ? line('failed', '✗', title, 'A person will look at it.', endedAt)
      : line('undone', '↩', title, '', endedAt)
  })
  return `<h2 class="back">Undone</h2><ol class="steps">${lines.join('')}</ol>`
}

function line(kind: string, mark: string, title: string, detail: string, at: Date | undefined): string {
  const small = detail === '' ? '' : `<small>${escaped(detail)}</small>`
  const time = at ? `<time>${at.toISOString().slice(11, 19)}</time>` : '<span></span>'
  return `<li class="${kind}"><span class="mark" aria-hidden="true">${mark}</span><span>${escaped(title)}${small}</span>${time}</li>`
}

/** A page that says one thing. */
export function messagePage(message: string): string {
  return html(
    'The corner shop',
    `<h1>The corner shop</h1><p class="message">${escaped(message)}</p><a class="back" href="/">← Back to the shop</a>`,
  )
}

/** The whole script of the page: what comes is shown. */
export const liveScript = `
const view = document.querySelector('#order')
if (!('over' in view.dataset)) {
  const source = new EventSource(view.dataset.events)
  source.onmessage = ({ data }) => { view.innerHTML = JSON.parse(data) }
  source.addEventListener('over', () => source.close())
}
`

function html(title: string, body: string): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)}</title><link rel="icon" href="data:,"><link rel="stylesheet" href="/page.css"></head>
<body>${body}</body></html>`
}

function euros(cents: number): string {
  return `${(cents / 100).toFixed(2)} €`
}

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }

function escaped(text: string): string {
  return text.replaceAll(/[&<>"]/g, (character) => entities[character] ?? '')
}
