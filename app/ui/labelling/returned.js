// A server that was started anew knows nothing of the fragment in which the desk stands: a key would answer nothing until
// the whole page is drawn again. This stands outside the fragment and asks for that once the connection is back.
export default function ({ setTriggerValue }) {
  const page = document.querySelector('[data-testid=stApp]')
  let gone = false
  const watch = new MutationObserver(() => {
    const before = gone
    gone = page.dataset.testConnectionState !== 'CONNECTED'
    if (before && !gone) setTriggerValue('back', true)
  })
  watch.observe(page, { attributeFilter: ['data-test-connection-state'] })
  return () => watch.disconnect()
}
