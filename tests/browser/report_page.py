"""A page with reports whose speech is caught before it is heard: `window.said`."""

import json
from typing import Any

from desk_page import WIDE
from wall_process import Wall

VOICES = [{"lang": "en-GB", "localService": True, "name": "en"}, {"lang": "zh_CN", "localService": True, "name": "zh"}]
EARS = """
window.said = [];
window.SpeechSynthesisUtterance = class { constructor(text) { this.text = text; } };
Object.defineProperty(window, "speechSynthesis", { value: {
  speaking: false, getVoices: () => VOICES, cancel() {}, addEventListener() {}, removeEventListener() {},
  speak(one) { window.said.push([one.lang, one.voice ? one.voice.name : null, one.text]); setTimeout(() => one.onend && one.onend(), 50); },
} });
"""
SHOP = "lining-hz"


def listening(
    browser: Any, desk: Wall, lang: str = "zh", voices: Any = VOICES, path: str = "/reports", **storage: str
) -> Any:
    """A page that speaks into `window.said`."""
    page = browser.new_context(viewport=WIDE).new_page()
    page.add_init_script(EARS.replace("VOICES", json.dumps(voices)))
    kept = {"zhengdian.actor": "王姐"} | {f"zhengdian.{name}": value for name, value in storage.items()}
    # once: what the page itself keeps must outlive a reload
    page.add_init_script(
        f"for (const [k, v] of Object.entries({json.dumps(kept)})) if (localStorage.getItem(k) === null) localStorage.setItem(k, v)"
    )
    page.errors = []
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.goto(f"{desk.address}{path}?lang={lang}")
    return page


def said(page: Any) -> str:
    return "".join(text for _, _, text in page.evaluate("window.said"))


def api(page: Any, path: str = "/api/v1/reports") -> Any:
    return page.evaluate("path => fetch(path).then(a => a.json())", path)


def announce(page: Any, **more: Any) -> Any:
    """By hand, and not by that page."""
    body = {"shop_id": SHOP, "actor": "李哥", **more}
    answer = page.evaluate(
        "body => fetch('/api/v1/reports', {method: 'POST', headers: {'content-type': 'application/json'}, body: JSON.stringify(body)}).then(a => a.json())",
        body,
    )
    assert "report_id" in answer, answer
    return answer


def only(page: Any, listed: Any, report: Any) -> None:
    """Loads the page anew with nothing but that report in the list. A page would go on with what it showed before, and that
    may be the report of another shop: those of one hour come one by one."""
    page.route("**/api/v1/reports?*", lambda route: route.fulfill(json={**listed, "reports": [report]}))
    page.route(f"**/api/v1/reports/{report['report_id']}", lambda route: route.fulfill(json=report))
    page.add_init_script("sessionStorage.clear()")
    page.reload()
