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
  // what is pressed next was not what emptied it
  for (const event of ['pointerdown', 'keydown', 'popstate']) addEventListener(event, () => { emptied = null }, true)
})()
