"""What every browser test does: open a page, wait until it is done, see that it met no error."""


def open_page(tab, address: str) -> None:
    tab.goto(address)
    tab.get_by_test_id("stSidebarNav").wait_for()


# a busy machine takes its time from a press to the run that follows it, and one run may end in another: quiet for a while is done
QUIET = """() => {
    const busy = document.querySelector('[data-testid=stApp]').getAttribute('data-test-script-state') === 'running'
    if (busy || !window.quietSince) [window.quietSince, window.quietLooks] = [performance.now(), 0]
    return ++window.quietLooks > 30 && performance.now() - window.quietSince > 600  // a look a frame, of which there are 36
}"""


def settled(tab) -> None:
    """Until the page's script is done."""
    tab.evaluate("window.quietSince = 0")
    tab.wait_for_function(QUIET)


def click_row(table, row: int = 0, left: int = 60) -> None:
    """On a row of a table, which is drawn on a canvas: header and rows are 35 px high."""
    table.scroll_into_view_if_needed()
    table.click(position={"x": left, "y": 35 * (row + 1) + 17})
    settled(table.page)


def no_error(tab) -> None:
    assert not tab.get_by_text("This page met an unexpected error").count()
    assert not tab.get_by_test_id("stException").count()


def expect(locator):
    """Playwright's own, which is imported in the worker that has a browser to drive."""
    from playwright import sync_api

    sync_api.expect.set_options(timeout=60_000)
    return sync_api.expect(locator)
