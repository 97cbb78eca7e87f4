// One entry a page in the browser's history. Streamlit adds one for each change of the address, so that Back would walk
// through every setting moved; within a page the entry is replaced, and settings are taken back by Undo.
(() => {
  if (window.onePerPage) return
  window.onePerPage = true
  const push = history.pushState.bind(history)
  history.pushState = (state, title, url) => {
    const within = new URL(url ?? '', location.href).pathname === location.pathname
    within ? history.replaceState(state, title, url) : push(state, title, url)
  }
})()
