// One entry a page in the browser's history. Streamlit adds one for each change of the address, so that Back would walk
// through every setting moved; within a page the entry is replaced, and settings are taken back by Undo. A page is left by
// emptying its address first: the entry gets it back, so that Back shows what was seen.
(() => {
  if (window.onePerPage) return
  window.onePerPage = true
  const push = history.pushState.bind(history)
  let emptied = null
  history.pushState = (state, title, url) => {
    const to = new URL(url ?? '', location.href)
    if (to.pathname === location.pathname) {
      emptied = to.search ? null : location.search ? location.href : emptied
      history.replaceState(state, title, url)
    } else {
      if (emptied && new URL(emptied).pathname === location.pathname) history.replaceState(history.state, title, emptied)
      emptied = null
      push(state, title, url)
    }
  }
  // a link of the list at the side leads to the page as it was left on this corpus, by the way that Back takes; what holds for all
  // pages stays as it is now
  const left = {}, forAll = ([key]) => key.includes('.') || ['seed', 'baseline', 'experiment'].includes(key)
  addEventListener('click', event => {
    const here = new URLSearchParams(location.search), link = event.target.closest?.('[data-testid="stSidebarNavLink"]')
    const place = path => `${path}?${here.get('corpus.dataset')}`
    left[place(location.pathname)] = [...here].filter(pair => !forAll(pair))
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || link.pathname === location.pathname) return
    const there = left[place(link.pathname)]
    if (!there?.length) return
    event.preventDefault()
    event.stopPropagation()
    push(null, '', `${link.pathname}?${new URLSearchParams([...[...here].filter(forAll), ...there])}`)
    dispatchEvent(new PopStateEvent('popstate'))
  }, true)
  // what is pressed next was not what emptied it
  for (const event of ['pointerdown', 'keydown', 'popstate']) addEventListener(event, () => { emptied = null }, true)
})()
