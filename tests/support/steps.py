"""What every browser test does: open a page, wait until it is done, see that it met no error."""


def open_page(tab, address: str) -> None:
    tab.goto(address)
    tab.get_by_test_id("stSidebarNav").wait_for()


def settled(tab) -> None:
    """Until the page's script is done."""
    tab.wait_for_function("document.querySelector('[data-testid=stApp]').getAttribute('data-test-script-state') !== 'running'")
    tab.wait_for_timeout(200)


def no_error(tab) -> None:
    assert not tab.get_by_text("This page met an unexpected error").count()
    assert not tab.get_by_test_id("stException").count()
