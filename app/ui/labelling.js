// The answer as rows of words: a click marks a word as wrong, a click on a row's number goes there. Text is only ever
// set as text. It also does what no widget can: keys that move the focus, and telling when the tab is hidden.
const ROW = '[data-at]', WORD = '[data-word]'

function element(tag, cls, text, more = {}) {
  const made = document.createElement(tag)
  if (cls) made.className = cls
  if (text) made.textContent = text
  for (const [name, value] of Object.entries(more)) made.setAttribute(name, value)
  return made
}

function row(data, answer, one, number) {
  const made = element('li', 'lab-row', '', { 'data-at': one.at })
  if (one.at === data.at) { made.classList.add('now'); made.setAttribute('aria-current', 'step') }
  const go = element(one.at < 0 ? 'span' : 'button', 'lab-number', `${number}`, { 'aria-label': `Sentence ${number}`, type: 'button', tabindex: -1 })
  const text = element('div', 'lab-text')
  for (const [n, word, wrong] of one.words) {
    text.append(element('span', wrong ? 'wrong' : '', word, {
      'data-word': n, 'data-response': answer.response, role: 'button', 'aria-pressed': !!wrong, tabindex: -1 }), ' ')
  }
  const chip = element('div', one.label ? `lab-label tone${one.tone % 5}` : 'lab-label', one.label || (one.at < 0 ? '' : 'open'))
  made.append(go, text, chip)
  return made
}

function drawn(data) {
  const parts = data.answers.map(answer => {
    const box = element('section', 'lab-one', '', { 'aria-label': answer.title })
    const head = element('div', 'lab-head')
    head.append(element('h3', '', answer.title))
    if (answer.helpful >= 0) {
      head.append(element('button', answer.helpful === data.at ? 'lab-stars now' : 'lab-stars', answer.stars,
        { 'data-at': answer.helpful, type: 'button', tabindex: -1 }))
    }
    const list = element('ol', 'lab-rows')
    answer.rows.forEach((one, n) => list.append(row(data, answer, one, n + 1)))
    box.append(head, list)
    return box
  })
  const both = element('div', `lab-answers of${parts.length}`)
  both.append(...parts)
  const foot = element('div', 'lab-foot')
  if (data.verdict) foot.append(element('b', '', data.verdict))
  const hints = { words: 'wrong words', find: 'find', comment: 'comment', guidelines: 'guidelines', earlier: 'sentence before', later: 'after' }
  for (const [name, title] of Object.entries(hints)) {
    const hint = element('span', '', ` ${title}`)
    hint.prepend(element('kbd', '', data.keys[name].toUpperCase()))
    foot.append(hint)
  }
  return [both, foot]
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector('.lab')
  const focus = root.contains(document.activeElement) ? document.activeElement.closest(WORD) : null
  const held = focus && [focus.dataset.response, focus.dataset.word]
  root.replaceChildren(...drawn(data))
  const word = (response, n) => root.querySelector(`[data-response="${response}"][data-word="${n}"]`)
  if (held && root.dataset.item === data.item) word(...held)?.focus()
  const current = root.querySelector('.now')
  const fresh = root.dataset.item !== data.item, moved = root.dataset.place !== `${data.item}/${data.at}`
  if (moved) requestAnimationFrame(() => {  // once all is drawn: measuring in between would lay it out twice
    if (fresh) document.querySelector('[data-testid=stMain]')?.scrollTo(0, 0)
    root.querySelector('.now')?.scrollIntoView({ block: 'nearest' })
  })
  if (root.dataset.find !== data.find && data.find) {
    setTimeout(() => document.querySelector('.gw-found')?.scrollIntoView({ block: 'nearest' }), 100)
  }
  Object.assign(root.dataset, { item: data.item, place: `${data.item}/${data.at}`, find: data.find })

  const toggle = hit => setTriggerValue('word', { item: data.item, response: +hit.dataset.response, word: +hit.dataset.word })
  const step = at => { if (at >= 0 && at < data.steps) setTriggerValue('step', { item: data.item, at }) }
  const click = event => {
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
      ;(near.querySelector('.wrong') ?? near.querySelector(WORD))?.focus()
    },
    [data.keys.find]: () => focusOn('.st-key-label_find input'),
    [data.keys.comment]: () => focusOn('[class*=st-key-label_comment] input'),
    [data.keys.guidelines]: () => document.querySelector('.st-key-label_guidelines button')?.click(),
    [data.keys.earlier]: () => step(data.at - 1),
    [data.keys.later]: () => step(data.at + 1),
  }
  // one key, one screen: until the next one stands, further keys and clicks of the bar are no answers to anything
  const guard = (event, ours) => {
    if (!ours) return
    if (event.repeat || performance.now() < (root.busy ?? 0)) {
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
      if (by) all[all.indexOf(on) + by]?.focus()
      else if (event.key === 'Enter' || event.key === ' ') toggle(on)
      else if (event.key === 'Escape') on.blur()
      else return act(event)
      return event.preventDefault()
    }
    act(event)
  }
  const act = event => {
    const name = event.key.toLowerCase().replace('arrow', '')
    if (Object.hasOwn(acts, name)) { event.preventDefault(); acts[name]() }
  }
  const seen = () => setTriggerValue('tab', document.hidden ? 'hidden' : 'shown')
  root.onclick = click
  root.off?.()  // this runs at every redraw
  const listeners = [[window, 'keydown', early, true], [window, 'click', again, true], [window, 'keydown', press],
    [document, 'visibilitychange', seen]]
  listeners.forEach(([where, ...what]) => where.addEventListener(...what))
  root.off = () => listeners.forEach(([where, ...what]) => where.removeEventListener(...what))
  return root.off
}
