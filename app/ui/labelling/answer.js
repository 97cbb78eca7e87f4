// The answer as rows of words: a click marks a word as wrong, a click on a row's number goes there. Text is only ever
// set as text. It also does what no widget can: keys that move the focus, and telling when the tab is hidden.
const TICK_MS = 500, TYPED_MS = 2000
const ROW = '[data-at]', WORD = '[data-word]', PAUSE_MS = 1000, WIDE_PX = 1101, TURN_MS = 500
let last = {}  // desk, item and whose it was
let tell = () => {}, sending = 0  // a comment on its way to the server
let stirred = 0, counted = 0, clock = 0  // the last sign of life, and until when the time on the item was counted

// what a reload must not lose is kept in the window: the comment in its box, and how long the item was seen
const kept = (what, who) => { try { return JSON.parse(sessionStorage.getItem(`label/${what}/${who}`)) } catch { return null } }
const keep = (what, who, value) => {
  try { value ? sessionStorage.setItem(`label/${what}/${who}`, JSON.stringify(value)) : sessionStorage.removeItem(`label/${what}/${who}`) } catch {}
}
function send() {
  clearTimeout(sending)
  sending = 0
  tell()
}

function element(tag, cls, text, more = {}) {
  const made = document.createElement(tag)
  if (cls) made.className = cls
  if (text) made.textContent = text
  for (const [name, value] of Object.entries(more)) made.setAttribute(name, value)
  return made
}

function row(one, place, number) {
  const made = element('li', 'lab-row')
  const go = element(one.at < 0 ? 'span' : 'button', 'lab-number', `${number}`, { 'aria-label': `Sentence ${number}`, type: 'button', tabindex: -1 })
  const text = element('div', 'lab-text')
  one.words.forEach((word, n) => {
    text.append(element('span', '', word, { 'data-word': one.first + n, 'data-place': place, tabindex: -1 }), ' ')
  })
  made.append(go, text, element('div', 'lab-label'))
  made.classList.toggle('agreed', one.agreed)
  made.classList.toggle('plain', one.at < 0)
  if (one.votes.length) {  // what the annotators said, where they differ
    const votes = element('div', 'lab-votes')
    one.votes.forEach(([who, said, tone]) => {
      const vote = element('span', `tone${tone % 5}`, ` ${said}`)
      vote.prepend(element('b', '', who))
      votes.append(vote, ' ')
    })
    made.append(votes)
  }
  return made
}

// all of an item that stays; what of it changes from key to key is set by `mark`
function drawn(data) {
  const both = element('div', `lab-answers of${data.answers.length}`)
  data.answers.forEach((answer, place) => {
    const box = element('section', 'lab-one', '', { 'aria-label': answer.title })
    const head = element('div', 'lab-head')
    head.append(element('h3', '', answer.title), element('button', 'lab-whole', '', { type: 'button' }),
      element('button', 'lab-stars', '', { type: 'button', tabindex: -1 }))
    const list = element('ol', 'lab-rows')
    list.append(...answer.rows.map((one, n) => row(one, place, n + 1)))
    box.append(head, list)
    both.append(box)
  })
  return [both, element('div', 'lab-foot')]
}

function mark(root, data) {
  const state = (made, at) => {
    made.dataset.at = at
    made.classList.toggle('now', at === data.at)
  }
  data.answers.forEach((answer, place) => {
    const box = root.querySelectorAll('.lab-one')[place], rows = box.querySelectorAll('.lab-row')
    const stars = box.querySelector('.lab-stars')
    stars.hidden = answer.helpful < 0
    stars.textContent = answer.stars
    box.querySelector('.lab-whole').hidden = answer.rows.length < 2 || !answer.rows.some(one => one.at === data.at)
    state(stars, answer.helpful)
    answer.rows.forEach((one, n) => {
      const made = rows[n], spans = made.querySelectorAll(WORD), chip = made.querySelector('.lab-label')
      state(made, one.at)
      one.at === data.at ? made.setAttribute('aria-current', 'step') : made.removeAttribute('aria-current')
      spans.forEach((span, k) => {
        const wrong = one.wrong.includes(one.first + k)
        span.classList.toggle('wrong', wrong)
        if (span.role) span.ariaPressed = wrong
      })
      chip.className = one.label ? `lab-label tone${one.tone % 5}` : 'lab-label'
      chip.textContent = one.label || (one.at < 0 ? '' : data.open)
      if (one.wrong.length) {
        chip.append(element('span', 'lab-heard', `, wrong words: ${one.wrong.map(k => one.words[k - one.first]).join(' ')}`))
      }
    })
  })
  const foot = root.querySelector('.lab-foot')
  foot.replaceChildren(...(data.verdict ? [element('b', '', data.verdict)] : []))
  const hints = { words: 'wrong words, with ← → and Space', find: 'find', comment: 'comment', guidelines: 'guidelines', earlier: 'sentence before', later: 'after' }
  for (const [name, title] of Object.entries(hints)) {
    const hint = element('span', '', ` ${title}`)
    hint.prepend(element('kbd', '', data.keys[name].toUpperCase()))
    foot.append(hint)
  }
}

// a word is a button only while it has the focus: otherwise a sentence would be read as a row of buttons
function onto(word) {
  if (!word) return
  word.role = 'button'
  word.ariaPressed = word.classList.contains('wrong')
  word.focus()
}
function off(event) {
  if (event.target.matches(WORD)) event.target.role = event.target.ariaPressed = null
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector('.lab')
  const fresh = root.dataset.item !== data.item, moved = root.dataset.place !== `${data.item}/${data.at}`
  if (fresh) root.replaceChildren(...drawn(data))
  mark(root, data)
  const current = root.querySelector('.now'), heard = root.nextElementSibling
  if (data.said) {  // emptied in between: the same words twice are told twice
    heard.textContent = ''
    setTimeout(() => { heard.textContent = data.said }, 100)
  }
  if (moved) requestAnimationFrame(() => {  // once all is drawn: measuring in between would lay it out twice
    if (fresh) document.querySelector('[data-testid=stMain]')?.scrollTo(0, 0)
    root.querySelector('.now')?.scrollIntoView({ block: 'nearest' })
  })
  if (root.dataset.find !== data.find && data.find) {
    setTimeout(() => document.querySelector('.gw-found')?.scrollIntoView({ block: 'nearest' }), 100)
  }
  Object.assign(root.dataset, { item: data.item, place: `${data.item}/${data.at}`, find: data.find })
  const address = new URL(location)  // a reload comes back to this item
  if (address.searchParams.get('item') !== data.item) {
    address.searchParams.set('item', data.item)
    history.replaceState(history.state, '', address)
  }
  const who = `${address.searchParams.get('study')}/${address.searchParams.get('annotator')}`
  if (last.who === who && last.desk !== data.desk && last.item !== data.item) setTriggerValue('here', last.item)  // the server was started anew
  const draft = kept('comment', who), before = kept('seen', who), anew = last.desk !== data.desk
  const stands = draft?.item === data.item && [data.comment, data.comment.split(' / ').at(-1)].includes(draft.text.trim())
  if (stands) keep('comment', who, null)
  else if (draft && anew) setTriggerValue('typed', { ...draft, again: true })
  if (before?.item && anew) setTriggerValue('spent', before)
  tell = () => {
    const now = kept('comment', who)
    if (now) setTriggerValue('typed', { ...now, again: false })
  }
  const count = () => {  // an idle window counts no longer than on the server
    const now = performance.now(), seen = kept('seen', who)
    if (seen && !document.hidden && now - stirred < data.idle_s * 1000) {
      keep('seen', who, { item: seen.item, seconds: seen.seconds + (now - counted) / 1000 })
    }
    counted = now
  }
  if (before?.item !== data.item) keep('seen', who, { item: data.item, seconds: data.seconds })
  if (anew || last.item !== data.item) stirred = counted = performance.now()
  clearInterval(clock)
  count()
  clock = setInterval(() => root.isConnected ? count() : clearInterval(clock), TICK_MS)
  // the same keys now mean something else: a key that was meant for the question before answers nothing
  if (!anew && last.item === data.item && last.kind !== data.kind) {
    root.turned = performance.now() + TURN_MS
    root.classList.add('turned')
    setTimeout(() => root.classList.toggle('turned', performance.now() < root.turned - 5), TURN_MS)
  }
  last = { who, desk: data.desk, item: data.item, kind: data.kind }

  const toggle = hit => setTriggerValue('word', { item: data.item, place: +hit.dataset.place, word: +hit.dataset.word })
  const step = at => { if (at >= 0 && at < data.steps) setTriggerValue('step', { item: data.item, at }) }
  const whole = () => root.querySelectorAll('.lab-whole').forEach(made => {
    made.textContent = root.classList.contains('whole') ? 'This sentence only' : 'Whole answer'
  })
  whole()
  const click = event => {
    if (event.target.matches('.lab-whole')) {
      root.classList.toggle('whole')
      return whole()
    }
    const hit = event.target.closest(WORD)
    if (hit) return toggle(hit)
    const line = event.target.closest(ROW)
    if (line) step(+line.dataset.at)
  }
  const focusOn = selector => {
    const found = document.querySelector(selector)
    found?.focus()
    found?.scrollIntoView({ block: 'nearest' })
  }
  const acts = {
    [data.keys.words]: () => {
      const near = current?.matches('.lab-row') ? current : current?.closest('.lab-one') ?? root
      onto(near.querySelector('.wrong') ?? near.querySelector(WORD))
    },
    [data.keys.find]: () => focusOn('.st-key-label_find input'),
    [data.keys.comment]: () => focusOn('[class*=st-key-label_comment] input'),
    [data.keys.guidelines]: () => document.querySelector('.st-key-label_guidelines button')?.click(),
    [data.keys.earlier]: () => step(data.at - 1),
    [data.keys.later]: () => step(data.at + 1),
  }
  // one key, one screen: until the next one stands, further keys and clicks of the bar are no answers to anything; nor are
  // keys without a connection and those that follow them without a pause, the rest of a comment for instance
  // an item under a panel is not seen: no key judges it
  const covered = () => document.querySelector('[data-testid=stPopoverBody]')
    || (innerWidth < WIDE_PX && document.querySelector('.st-key-lab_guide'))
  const guard = (event, ours) => {
    const gone = document.querySelector('[data-testid=stApp]').dataset.testConnectionState !== 'CONNECTED'
    if (event.type === 'keydown' && (gone || performance.now() < root.quiet)) root.quiet = performance.now() + PAUSE_MS
    if (!ours) return
    if (performance.now() < root.quiet || performance.now() < (root.turned ?? 0) || covered() || event.repeat || performance.now() < (root.busy ?? 0)) {
      event.preventDefault()
      event.stopImmediatePropagation()
    } else root.busy = performance.now() + 3000
  }
  const typing = event => event.target.closest?.('input, textarea, select, [contenteditable=true]')
  const plain = event => !(event.ctrlKey || event.metaKey || event.altKey || event.shiftKey)
  const early = event => guard(event, plain(event) && !typing(event) && data.bar.includes(event.key.toLowerCase().replace('arrow', '')))
  const again = event => guard(event, event.isTrusted && event.target.closest?.('.st-key-lab_bar button'))
  root.busy = 0
  const press = event => {
    if (event.ctrlKey || event.metaKey || event.altKey) return
    const on = event.target.closest?.(WORD)
    if (typing(event)) {
      if (event.key === 'Escape' || (event.key === 'Enter' && event.target.closest('.st-key-lab_desk'))) event.target.blur()
      return
    }
    if (on && root.contains(on)) {
      const all = [...root.querySelectorAll(WORD)]
      const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key]
      if (by) onto(all[all.indexOf(on) + by])
      else if (event.key === 'Enter' || event.key === ' ') toggle(on)
      else if (event.key === 'Escape') on.blur()
      else return act(event)
      return event.preventDefault()
    }
    act(event)
  }
  const act = event => {
    const name = event.key.toLowerCase().replace('arrow', '')
    if (name === 'escape') document.querySelector('.st-key-label_guide_close button')?.click()
    if (Object.hasOwn(acts, name)) { event.preventDefault(); acts[name]() }
  }
  const seen = () => setTriggerValue('tab', document.hidden ? 'hidden' : 'shown')
  const written = event => {
    if (!event.target.closest?.('[class*=st-key-label_comment]')) return
    keep('comment', who, { item: data.item, text: event.target.value })
    sending ||= setTimeout(send, TYPED_MS)
  }
  const stir = () => { stirred = performance.now() }
  root.onclick = click
  root.off?.()  // this runs at every redraw
  const listeners = [[window, 'keydown', early, true], [window, 'click', again, true], [window, 'keydown', press],
    [document, 'visibilitychange', seen], [window, 'pagehide', count], [window, 'pagehide', send], [document, 'input', written],
    [window, 'pointermove', stir], [window, 'keydown', stir, true], [document, 'scroll', stir, true], [root, 'focusout', off]]
  listeners.forEach(([where, ...what]) => where.addEventListener(...what))
  root.off = () => listeners.forEach(([where, ...what]) => where.removeEventListener(...what))
  return root.off
}
