// Shows what the server says and nothing else. All text goes in as text, never as HTML.

const byId = (id) => document.getElementById(id)
const cards = new Map()
const articles = new Map()

const glyphs = {
  waiting: '◌',
  working: '▶',
  retrying: '↻',
  done: '✓',
  failed: '✗',
  scheduled: '↻',
  blocked: '◌',
  ready: '◌',
  running: '▶',
  completed: '✓',
  dead: '✗',
  cancelled: '⊘',
}

// ---- live: one stream for the overview; while it is down the page asks every two seconds

let polling

function connect() {
  const source = new EventSource('/events')
  source.addEventListener('open', () => connected(true))
  source.addEventListener('error', () => {
    connected(false)
    // A browser gives up for good after some errors; then start again.
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, 5000)
  })
  source.addEventListener('photos', (event) => showAll(JSON.parse(event.data)))
  source.addEventListener('photo', (event) => show(JSON.parse(event.data)))
  source.addEventListener('message', (event) => event.data && tell(JSON.parse(event.data).message))
}

function connected(yes) {
  if (yes) polling = clearInterval(polling)
  else polling ??= setInterval(poll, 2000)
  byId('connection').hidden = yes
  byId('connection').textContent = yes ? '' : 'The live connection is down. Trying again…'
}

async function poll() {
  try {
    showAll(await (await fetch('/photos')).json())
  } catch {
    // still down; the line above says so
  }
}

// ---- cards

function showAll(list) {
  for (const card of list.toReversed()) show(card)
  byId('none').hidden = cards.size > 0
}

function show(card) {
  cards.set(card.id, card)
  const article = articles.get(card.id) ?? createArticle(card.id)
  const find = (selector) => article.querySelector(selector)
  article.className = card.state
  find('h3').textContent = card.name
  find('.frame span').textContent = card.files.length > 0 ? '' : glyphs[card.state]
  find('.state').textContent = `${glyphs[card.state]} ${card.state}`
  find('.size').textContent = card.width ? `${card.width} × ${card.height}, ${size(card.bytes)}` : size(card.bytes)
  find('progress').value = card.percent
  find('progress').setAttribute('aria-label', `Progress of ${card.name}`)
  showThumbnails(article, card)
  find('tbody').replaceChildren(...card.jobs.flatMap(jobRows))
  if (find('details').open) follow(article, card)
  showTotal()
}

function createArticle(id) {
  const article = byId('card').content.firstElementChild.cloneNode(true)
  article.querySelector('details').addEventListener('toggle', () => {
    if (article.querySelector('details').open) follow(article, cards.get(id))
    else unfollow(article)
  })
  articles.set(id, article)
  byId('photos').prepend(article)
  byId('none').hidden = true
  return article
}

function showThumbnails(article, { files, name }) {
  const image = article.querySelector('img')
  const best = files.find((file) => file.width >= 640) ?? files.at(-1)
  image.hidden = !best
  if (best && image.getAttribute('src') !== best.url) Object.assign(image, { src: best.url, alt: name })
  const links = files.map((file) => {
    const link = element('a', `${file.width} px`)
    link.href = file.url
    link.title = `${file.width} × ${file.height}, ${size(file.bytes)}`
    return link
  })
  article.querySelector('.sizes').replaceChildren(...links.flatMap((link, place) => (place ? [' · ', link] : [link])))
}

function jobRows(job) {
  const row = document.createElement('tr')
  const name = element('th', job.name)
  name.scope = 'row'
  row.append(
    name,
    element('td', `${glyphs[job.state] ?? ''} ${job.state}`),
    element('td', job.ms === null ? '' : time(job.ms)),
  )
  const again = job.attempt > 1 || job.state === 'scheduled'
  if (!again && !job.error) return [row]
  const cell = element('td', trouble(job))
  cell.className = 'error'
  cell.colSpan = 3
  const second = document.createElement('tr')
  second.append(cell)
  return [row, second]
}

function trouble({ attempt, attempts, error, state }) {
  if (state === 'dead') return `Put aside after attempt ${attempt}: ${error}`
  return `Attempt ${attempt} of ${attempts}${error ? `, last error: ${error}` : ''}`
}

function showTotal() {
  const all = [...cards.values()]
  const settled = (card) => card.state === 'done' || card.state === 'failed'
  const count = (state) => all.filter((card) => card.state === state).length
  const words = ['done', 'failed', 'retrying', 'working', 'waiting']
    .filter(count)
    .map((state) => `${count(state)} ${state}`)
  byId('counts').textContent = all.length === 0 ? 'Nothing to do' : words.join(', ')
  byId('total').value =
    all.length === 0 ? 0 : all.reduce((sum, card) => sum + (settled(card) ? 100 : card.percent), 0) / all.length
}

// ---- the log of a photo: the feed of each of its jobs; the browser resumes at the last cursor by itself

const feeds = new WeakMap()

function follow(article, card) {
  const open = feeds.get(article) ?? new Map()
  feeds.set(article, open)
  for (const job of card.jobs) {
    if (open.has(job.id)) continue
    const item = element('li', '')
    const source = new EventSource(`/jobs/${job.id}/events`)
    const lines = document.createElement('ol')
    item.append(element('strong', `${job.id} ${job.name}`), lines)
    article.querySelector('details > ol').append(item)
    open.set(job.id, source)
    for (const type of Object.keys(sentences)) {
      source.addEventListener(type, (event) => {
        lines.append(element('li', line(type, JSON.parse(event.data))))
        if (type === 'ended' || type === 'refused') source.close()
      })
    }
  }
}

function unfollow(article) {
  for (const source of feeds.get(article)?.values() ?? []) source.close()
  feeds.delete(article)
  article.querySelector('details > ol').replaceChildren()
}

const sentences = {
  enqueued: () => 'enqueued',
  started: (event) => `attempt ${event.attempt} started`,
  progress: (event) => `${Math.round(event.value.percent)} % ${event.value.message ?? ''}`,
  log: (event) => `${event.level}: ${event.message}`,
  attempt: (event) =>
    `attempt ${event.attempt} failed: ${event.error?.message ?? event.outcome}; again in ${event.delay ?? 0} ms`,
  ended: (event) => event.state + (event.error ? `: ${event.error.message}` : ''),
  refused: (event) => event.message,
}

function line(type, event) {
  const at = event.at ? new Date(event.at).toLocaleTimeString([], { hour12: false }) : ''
  return `${at} ${sentences[type](event)}`
}

// ---- upload

byId('upload').addEventListener('submit', (event) => {
  event.preventDefault()
  void uploadAll([...byId('files').files])
})

async function uploadAll(files) {
  byId('receipts').replaceChildren()
  for (const file of files) byId('receipts').append(element('li', await upload(file)))
  byId('upload').reset()
}

async function upload(file) {
  try {
    const response = await fetch(`/photos?name=${encodeURIComponent(file.name)}`, { method: 'POST', body: file })
    const answer = await response.json()
    return response.ok ? `${file.name}: ${answer.outcome}` : `${file.name}: refused, ${answer.error}`
  } catch {
    return `${file.name}: the server did not answer`
  }
}

// ---- small things

function tell(message) {
  byId('news').textContent = message
}

function element(name, text) {
  return Object.assign(document.createElement(name), { textContent: text })
}

function size(bytes) {
  return bytes < 1e6 ? `${Math.round(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`
}

function time(ms) {
  return ms < 1000 ? `${ms} ms` : `${(ms / 1000).toFixed(1)} s`
}

connect()
