"""What a page looks like, measured: contrast of all text, room for all text. `python -m tests.support.appearance ADDRESS [PAGE …]`

Text of 24 px, or 18.66 px in bold, and signs of the icon font need 3:1, all other text 4.5:1 (WCAG 2.2, 1.4.3 and 1.4.11); what is
disabled needs none by that, but a button's words have to be seen: 2:1. Tables are drawn on a canvas, which has no text to measure:
their colours are those of the theme, which tests/app/test_theme.py computes.
"""

import json
import sys

from app import navigation

MEASURE = r"""
() => {
  const canvas = document.createElement('canvas'); canvas.width = canvas.height = 1;
  const pen = canvas.getContext('2d', {willReadFrequently: true});
  const rgba = text => {  // any CSS colour, as the browser paints it
    pen.clearRect(0, 0, 1, 1); pen.fillStyle = text; pen.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = pen.getImageData(0, 0, 1, 1).data; return [r, g, b, a / 255];
  };
  const over = (top, below) => top.slice(0, 3).map((v, i) => v * top[3] + below[i] * (1 - top[3])).concat(1);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const ratio = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + .05) / (y + .05); };
  const ground = element => {
    const layers = [], own = element.getBoundingClientRect(), x = own.x + own.width / 2, y = own.y + own.height / 2;
    for (let at = element; at; at = at.parentElement) {
      const box = at.getBoundingClientRect();  // a label may stand beside what it belongs to
      if (box.width < 60 && (x < box.left || x > box.right || y < box.top || y > box.bottom)) continue;
      const color = rgba(getComputedStyle(at).backgroundColor);
      if (color[3] > 0) layers.push(color);
      if (color[3] === 1) break;
    }
    return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255, 1]);
  };
  const seen = element => {
    for (let at = element; at; at = at.parentElement) {
      const look = getComputedStyle(at);
      if (look.visibility === 'hidden' || look.display === 'none' || +look.opacity < .05) return false;
    }
    const box = element.getBoundingClientRect();
    return box.width > 1 && box.height > 1;
  };
  const opacity = element => element ? +getComputedStyle(element).opacity * opacity(element.parentElement) : 1;
  const disabled = element => element.closest('[disabled], [aria-disabled=true], [inert], .hoverlayer, .modebar');
  const found = [], cut = [];
  const wrong = (what, by, element, place) => cut.push({what, by: Math.round(by), text: element.textContent.trim().slice(0, 40), place});
  const told = (element, text, color, size, weight, icon, least) => {
    const below = ground(element), paint = rgba(color);
    paint[3] *= opacity(element);
    const value = ratio(over(paint, below), below), large = size >= 24 || size >= 18.66 && weight >= 700;
    if (value < (least || (large || icon ? 3 : 4.5)) - .005) found.push({ratio: +value.toFixed(2), text: text.slice(0, 40), color, size,
      place: element.closest('[data-testid]')?.dataset.testid || element.closest('[class]')?.getAttribute('class') || element.tagName});
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const text = node.data.trim(), element = node.parentElement;
    if (!text || text === '●' || !element || /^(SCRIPT|STYLE|NOSCRIPT|TITLE)$/i.test(element.tagName)) continue;
    if (element.closest('.heatmap-label, canvas, [data-testid=stDataFrame]')) continue;  // on a colour of its own
    const off = disabled(element);
    if (!seen(element) || off && !element.closest('button')) continue;
    const look = getComputedStyle(element), svg = element.namespaceURI.endsWith('svg');
    told(element, text, svg ? look.fill : look.color, parseFloat(look.fontSize), +look.fontWeight,
      /Symbols/.test(look.fontFamily), off && 2);
  }
  for (const field of document.querySelectorAll('input, textarea')) {
    if (!seen(field) || disabled(field) || /checkbox|radio|range|file/.test(field.type)) continue;
    const look = getComputedStyle(field, field.value ? null : '::placeholder');
    const missing = field.value && field.tagName === 'INPUT' ? field.scrollWidth - field.clientWidth : 0;
    if (missing > 1 && getComputedStyle(field).textOverflow !== 'ellipsis')
      cut.push({what: 'cut', by: missing, text: field.value.slice(0, 40), place: 'input'});
    told(field, field.value || field.placeholder || '', look.color, parseFloat(look.fontSize), 400, false);
  }
  const whole = document.documentElement.clientWidth;
  for (const element of document.querySelectorAll('.stMain *, .stSidebar *')) {
    if (element.closest('svg, canvas, [data-testid=stDataFrame], [role=tooltip], .stJson') || !seen(element)) continue;
    const look = getComputedStyle(element);
    const own = [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim());
    const place = `${element.tagName.toLowerCase()}.${(element.getAttribute('class') || '').slice(0, 50)}`;
    const missing = element.scrollWidth - element.clientWidth;
    if (own && /hidden|clip/.test(look.overflowX) && look.textOverflow !== 'ellipsis' && missing > 1 && element.clientWidth > 1)
      wrong('cut', missing, element, place);
    const block = element.closest('.stMainBlockContainer');
    if (block && own && !element.closest('.gw-scroll, .gw-scrolled, pre, [style*="overflow"], .stTabs [role=tablist]')) {
      const right = element.getBoundingClientRect().right, edge = block.getBoundingClientRect().right;
      if (right > edge + 1 && look.position !== 'absolute') wrong('beyond the page', right - edge, element, place);
    }
  }
  for (const column of document.querySelectorAll('.stColumn')) {
    const edge = column.getBoundingClientRect().right, row = column.parentElement.getBoundingClientRect().right;
    if (seen(column) && edge > row + 1) wrong('column beyond its row', edge - row, column, 'stColumn');
    const inside = [...column.querySelectorAll('.stElementContainer, .stHorizontalBlock, .stPlotlyChart')];
    const wide = inside.find(one => one.getBoundingClientRect().right > edge + 1 && seen(one) && !one.closest('.gw-scroll'));
    if (wide) wrong('wider than its column', wide.getBoundingClientRect().right - edge, wide, wide.className.slice(0, 70));
  }
  for (const name of ['.stMain', 'html']) {
    const box = document.querySelector(name);
    if (box.scrollWidth > box.clientWidth + 1) wrong('scrolls sideways', box.scrollWidth - box.clientWidth, box, name);
  }
  const unique = rows => [...new Map(rows.map(row => [row.place + row.text + (row.color || row.what), row])).values()];
  return {contrast: unique(found).sort((a, b) => a.ratio - b.ratio), room: unique(cut)};
}
"""
VIEWS = (("light", 1440), ("dark", 1440), ("light", 900))
ADDRESSES = {"overview": "", "search_live": "search_live?fusion.weight=0.5&baseline.fusion.part=sparse_only"}
PAGES = [ADDRESSES.get(name, name) for name in navigation.entries()]


def settle(page, looks: int = 2) -> None:
    """Until the script of the page has ended and, looked at twice, stays so."""
    for _ in range(looks):
        page.wait_for_timeout(500)
        page.wait_for_function(
            "() => document.querySelector('[data-testid=stApp]')?.getAttribute('data-test-script-state') === 'notRunning'"
            " && !document.querySelector('[data-testid=stSkeleton], [data-testid=stSpinner]')"
        )


def measured(page, address: str, place: str, views=VIEWS):
    """(theme, width) -> what is wrong there, for one page: loaded once, then shown in each theme and width."""
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto(f"{address}/{place}")
    page.get_by_role("heading").first.wait_for()
    settle(page)
    found = {}
    for theme, width in views:
        page.emulate_media(color_scheme=theme)
        page.set_viewport_size({"width": width, "height": 900})
        settle(page, 1)
        seen = page.evaluate(MEASURE)
        if any(seen.values()):  # colours may be on their way yet
            settle(page)
            seen = page.evaluate(MEASURE)
        found[theme, width] = seen
    return found


def main(address: str, places: list[str]) -> None:
    from playwright.sync_api import sync_playwright

    from core.report.figures import find_browser
    from tests.support.browser import FLAGS

    with sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=find_browser(), args=FLAGS)
        page = browser.new_page()
        page.set_default_timeout(180_000)
        for place in places or PAGES:
            for (theme, width), wrong in measured(page, address, place).items():
                for kind in ("contrast", "room"):
                    for row in wrong[kind]:
                        print(
                            f"{place or 'overview':<16.16} {theme:5} {width:4} {kind:8} {json.dumps(row, ensure_ascii=False)}",
                            flush=True,
                        )
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
