// A knob whose whole range is known answers while it moves. One script draws three places that follow one value: the slider, the
// cards and the curve. The server is told once the knob rests. Text is only ever set as text.
const NS = 'http://www.w3.org/2000/svg', HEIGHT = 236, LEFT = 50, RIGHT = 14, TOP = 10, BOTTOM = 44
const ANSWER_MS = 5000  // so long what was chosen here stands against what the server has not answered yet
const live = window.groundworkLive ??= { setting: '', value: 0, held: false, sent: 0, places: new Map() }

const element = (tag, cls, text = '') => {
  const made = document.createElement(tag)
  if (cls) made.className = cls
  made.textContent = text
  return made
}
const shape = (tag, more) => {
  const made = document.createElementNS(NS, tag)
  for (const [name, value] of Object.entries(more)) made.setAttribute(name, value)
  return made
}
const nearest = (list, wanted) => list.reduce((best, one, at) => Math.abs(one - wanted) < Math.abs(list[best] - wanted) ? at : best, 0)
const along = data => data.log ? Math.log : Number  // how a value lies on the axis
const words = value => String(+value.toFixed(6)).replace(/\B(?<!\.\d*)(?=(\d{3})+(?!\d))/g, ',')

function current(data) {
  if (live.setting !== data.setting) return data.now
  if (data.now === live.value && !live.held) live.sent = 0  // answered
  return live.held || (live.sent && performance.now() - live.sent < ANSWER_MS) ? live.value : data.now
}
function move(data, value) {
  Object.assign(live, { setting: data.setting, value, held: true })
  for (const paint of live.places.values()) paint(data.setting, value)
}
function rest(data, tell) {
  if (!live.held || live.setting !== data.setting) return
  live.held = false
  if (live.value === data.now && !live.sent) return
  live.sent = performance.now()
  tell('value', live.value)
}
// pressed anywhere in `place`, the knob is where the pointer is: at the nearest value that is known
function dragged(place, root, where) {
  const to = event => {
    const [data] = root.now, from = along(data)
    const box = place.getBoundingClientRect()
    move(data, data.values[nearest(where(data, from), event.clientX - box.left)])
  }
  place.onpointerdown = event => {
    if (event.button) return
    place.setPointerCapture(event.pointerId)
    to(event)
  }
  place.onmousedown = event => event.preventDefault()  // the focus stays on the thumb
  place.onpointermove = event => { if (place.hasPointerCapture(event.pointerId)) to(event) }
  place.onpointerup = place.onpointercancel = () => rest(...root.now)
}

function knob(root) {
  const head = element('div', 'gw-knob-head'), name = element('span'), mark = element('small', '', '?')
  const track = element('div', 'gw-knob-track'), fill = element('i'), thumb = element('b'), shown = element('output')
  head.append(name, mark), track.append(fill, thumb, shown)
  root.replaceChildren(head, track)
  thumb.tabIndex = 0
  thumb.role = 'slider'
  // where each value lies from 0 to 1: those of a grid at equal distances
  const share = (data, value) => data.grid ? nearest(data.values, value) / (data.values.length - 1)
    : (value - data.values[0]) / (data.values.at(-1) - data.values[0])
  dragged(track, root, data => data.values.map(value => share(data, value) * track.clientWidth))
  track.addEventListener('pointerdown', () => thumb.focus())
  thumb.onkeydown = event => {
    const [data] = root.now, { values } = data, last = values.length - 1, at = nearest(values, current(data))
    const by = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 10, PageDown: -10, Home: -1e9, End: 1e9 }[event.key]
    if (!by || event.altKey || event.ctrlKey || event.metaKey) return
    event.preventDefault()
    const next = data.grid ? values[Math.max(0, Math.min(last, at + by))]  // by its own step, also where that value is not known yet
      : +Math.max(values[0], Math.min(values[last], current(data) + by * data.step)).toFixed(6)
    move(data, next)
  }
  thumb.onkeyup = thumb.onblur = () => rest(...root.now)
  return (data, value) => {
    name.textContent = thumb.ariaLabel = data.label
    mark.title = thumb.ariaDescription = data.about
    mark.hidden = !data.about
    shown.textContent = thumb.ariaValueText = words(value)
    thumb.ariaValueMin = data.values[0], thumb.ariaValueMax = data.values.at(-1), thumb.ariaValueNow = value
    thumb.style.left = shown.style.left = fill.style.width = `${100 * share(data, value)}%`
  }
}

function cards(root) {
  root.classList.add('gw-cards')
  let drawn
  const draw = (data, at) => root.replaceChildren(...data.cards[at].map(lines => {
    const card = element('div', 'gw-card')
    card.append(...lines.map(([cls, pieces, about]) => {
      const line = element('div', cls)
      if (about) line.title = about
      line.append(...pieces.map(([tag, text]) => tag ? element(tag, '', text) : text))
      return line
    }))
    return card
  }))
  return (data, value) => {
    const at = data.values.indexOf(value)
    root.classList.toggle('gw-unknown', at < 0)
    if (drawn !== data.setting) root.style.minHeight = ''
    drawn = data.setting
    if (at < 0) return
    draw(data, at)
    root.style.minHeight = `${root.offsetHeight}px`  // once as high, what stands below stays where it is
  }
}

function ticks(low, high, most) {
  const raw = (high - low) / most, ten = 10 ** Math.floor(Math.log10(raw))
  const step = [1, 2, 2.5, 5, 10].map(m => m * ten).find(m => m >= raw)
  const made = []
  for (let at = Math.ceil(low / step - 1e-9) * step; at <= high + 1e-9 * step; at += step) made.push(+at.toFixed(9))
  return made
}

function curve(root) {
  const svg = shape('svg', { role: 'img', height: HEIGHT }), read = element('div', 'gw-read')
  const ground = shape('g', {}), guide = shape('line', { class: 'guide' }), bar = shape('line', { class: 'bar' })
  const ring = shape('circle', { class: 'ring', r: 7 })
  svg.append(ground, guide, bar, ring)
  root.replaceChildren(svg, read)
  let drawn, x, y, width
  const lay = data => {
    width = svg.clientWidth || root.clientWidth
    const from = along(data), [first, last] = [data.values[0], data.values.at(-1)].map(from)
    const known = data.mean.map((mean, at) => mean === null ? null : at).filter(at => at !== null)
    const ends = known.flatMap(at => [data.mean[at], data.low[at] ?? data.mean[at], data.high[at] ?? data.mean[at]])
    const least = Math.min(...ends), most = Math.max(...ends), room = (most - least || .1) * .06
    x = value => LEFT + (from(value) - first) / (last - first || 1) * (width - LEFT - RIGHT)
    y = value => TOP + (most + room - value) / (most - least + 2 * room) * (HEIGHT - TOP - BOTTOM)
    const path = (cls, points) => shape('path', { class: cls, d: `M${points.map(point => point.join()).join('L')}` })
    const text = (cls, at, up, said, more = {}) => {
      const made = shape('text', { class: cls, x: at, y: up, ...more })
      made.textContent = said
      return made
    }
    const made = [], foot = HEIGHT - BOTTOM
    for (const tick of ticks(least - room, most + room, 5)) {
      made.push(shape('line', { class: 'grid', x1: LEFT, x2: width - RIGHT, y1: y(tick), y2: y(tick) }), text('tick', LEFT - 7, y(tick) + 4, words(tick), { 'text-anchor': 'end' }))
    }
    for (const tick of data.ticks ?? ticks(data.values[0], data.values.at(-1), Math.min(10, width / 60))) {
      made.push(shape('line', { class: 'axis', x1: x(tick), x2: x(tick), y1: foot, y2: foot + 4 }), text('tick', x(tick), foot + 17, words(tick), { 'text-anchor': 'middle' }))
    }
    made.push(shape('line', { class: 'axis', x1: LEFT, x2: width - RIGHT, y1: foot, y2: foot }))
    made.push(text('tick', (LEFT + width - RIGHT) / 2, HEIGHT - 8, data.axis, { 'text-anchor': 'middle' }))
    made.push(text('tick', 0, 0, data.up, { 'text-anchor': 'middle', transform: `translate(11 ${(TOP + foot) / 2}) rotate(-90)` }))
    const within = known.filter(at => data.low[at] !== null)
    if (within.length > 1) made.push(path('band', [...within.map(at => [x(data.values[at]), y(data.high[at])]), ...within.toReversed().map(at => [x(data.values[at]), y(data.low[at])])]))
    made.push(path('line', known.map(at => [x(data.values[at]), y(data.mean[at])])))
    data.told.forEach((said, at) => { if (said !== null) made.push(shape('circle', { class: 'dot', r: 2.5, cx: x(data.values[at]), cy: y(data.mean[at]) })) })
    ground.replaceChildren(...made)
  }
  dragged(svg, root, data => data.values.map(x))
  const points = event => {
    if (event.buttons) return
    const [data] = root.now, near = event.clientX - svg.getBoundingClientRect().left
    const at = nearest(data.values.map((value, at) => data.told[at] === null ? -1e9 : x(value)), near)
    read.textContent = `${words(data.values[at])}: ${data.mean[at].toFixed(3)}${data.told[at]}`
  }
  svg.addEventListener('pointermove', points)
  const paint = (data, value) => {
    if (drawn !== data || width !== svg.clientWidth) lay(drawn = data)
    const at = data.values.indexOf(value), known = at >= 0 && data.mean[at] !== null
    for (const [name, to] of Object.entries({ x1: x(value), x2: x(value), y1: TOP, y2: HEIGHT - BOTTOM })) guide.setAttribute(name, to)
    ring.style.display = bar.style.display = known ? '' : 'none'
    if (!known) return read.textContent = `${words(value)}: measured once the knob rests`
    const spread = data.low[at] === null ? '' : `, ${data.level} ${data.low[at].toFixed(3)} to ${data.high[at].toFixed(3)}`
    read.textContent = `${words(value)}: ${data.mean[at].toFixed(3)}${spread}`
    svg.ariaLabel = `${data.title}. At ${read.textContent}`
    ring.setAttribute('cx', x(value)), ring.setAttribute('cy', y(data.mean[at]))
    bar.setAttribute('x1', x(value)), bar.setAttribute('x2', x(value))
    bar.setAttribute('y1', y(data.low[at] ?? data.mean[at])), bar.setAttribute('y2', y(data.high[at] ?? data.mean[at]))
  }
  svg.onpointerleave = () => paint(root.now[0], current(root.now[0]))
  new ResizeObserver(() => { if (root.isConnected && svg.clientWidth) paint(root.now[0], current(root.now[0])) }).observe(svg)
  return paint
}

const ROLES = { knob, cards, curve }

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector('.gw-live')
  root.now = [data, setTriggerValue]
  if (root.dataset.role !== data.role) {
    root.dataset.role = data.role
    root.paint = ROLES[data.role](root)
  }
  root.paint(data, current(data))
  live.places.set(root, (setting, value) => { if (setting === root.now[0].setting) root.paint(root.now[0], value) })
  return () => { if (!root.isConnected) live.places.delete(root) }
}
