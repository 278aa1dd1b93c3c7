"""The web page in a browser, as a visitor uses it."""

import json
import time

import tiny_browser

ENDINGS = (".png", ".fmc")  # of what is downloaded, when it is whole
TABS = "[...document.querySelectorAll('[role=tab]')]"
PANEL = (
    "[...document.querySelectorAll('[role=tabpanel]')].find(p => p.offsetParent !== "
    "null)"
)
BUTTONS = f"[...{PANEL}.querySelectorAll('button')].filter(b => b.offsetParent)"
FACES = f"{PANEL}.querySelectorAll('.faces .thumbnail-item')"
TOASTS = "[...document.querySelectorAll('.toast-wrap')].map(t => t.innerText).join()"


def named(elements, name):
    return f"{elements}.find(e => e.innerText.trim().split('\\n')[0] == '{name}')"


class Page(tiny_browser.Browser):
    """The web page in a browser."""

    def show(self, url, tab, *, faces=True):
        self.requests.clear(), self.errors.clear()
        self.open(url)
        self.wait_for(f"!!{named(TABS, tab)}")
        # Parts of the page are shown before they listen.
        while self.evaluate(f"{named(TABS, tab)}.ariaSelected") != "true":
            self.click(named(TABS, tab))
            time.sleep(0.2)
        self.wait_for(f"!!{PANEL}")
        self.wait_for(f"!{faces:d} || {FACES}.length > 0")

    def press(self, name):
        self.click(self.element(named(BUTTONS, name)))
        self.settle()

    def choose_model(self, name):
        self.click(f"{PANEL}.querySelector('input[aria-expanded]')")
        options = "[...document.querySelectorAll('[role=option]')]"
        wanted = f"e => e.innerText.includes({json.dumps(name)})"
        self.click(self.element(f"{options}.find({wanted})"))
        self.settle()

    def tick(self):
        self.click(f"{PANEL}.querySelector('input[type=checkbox]')")
        self.settle()

    def choose_region(self, name):
        """Presses a button below the editor, and waits until the picture is new."""
        self._fit()
        seen = self._pictures()
        self.press(name)
        end = time.monotonic() + tiny_browser.SECONDS
        while self._pictures() < seen + 2:  # with its layer
            assert time.monotonic() < end, self.text()
            self.settle()
        self.settle()

    def _fit(self):
        """Waits until the picture is in the editor and fitted into it."""
        zoom = f"{PANEL}.querySelector('.zoom-number')?.innerText"
        self.wait_for(f"parseInt({zoom}) < 100")
        self.settle()

    def _pictures(self):
        return sum(request.endswith("/picture.png") for request in self.requests)

    def element(self, script):
        self.wait_for(f"!!({script})")
        return script

    def paint(self, points):
        """Draws in the editor; the points are measured from its middle, pixels."""
        self._fit()
        left, top, width, height = self.box(f"{PANEL}.querySelector('canvas')")
        x, y = left + width / 2, top + height / 2
        self.drag([(x + dx, y + dy) for dx, dy in points])
        self.wait_for(f"!!{PANEL}.querySelector('[aria-label=Undo]:enabled')")
        self.settle()

    def settle(self):
        """Waits until nothing is under way, and some time more in which it begins."""
        for _ in range(3):
            time.sleep(0.4)
            self.wait_for(f"!{PANEL}.querySelector('.progress-text')")
            self.wait_for(f"!/uploading/i.test({PANEL}.innerText)")

    def choose(self, path, number=0):
        inputs = f"{PANEL}.querySelectorAll('input[type=file]')"
        self.upload(self.element(f"[...{inputs}].at({number})"), path)
        self.settle()

    def says(self, text):
        """Waits until it does."""
        self.wait_for(f"{PANEL}.innerText.includes({json.dumps(text)})")

    def text(self):
        return self.evaluate(f"{PANEL}.innerText")

    def download(self, name, folder):
        """Clicks a download button; the name and the bytes of what it gives."""
        self.call(
            "Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder)
        )
        self.click(self.element(named(BUTTONS, name)))
        end = time.monotonic() + tiny_browser.SECONDS
        while not (files := [f for f in folder.iterdir() if f.suffix in ENDINGS]):
            assert time.monotonic() < end, [*folder.iterdir()]
            time.sleep(0.1)
        return files[0].name, files[0].read_bytes()

    def toast(self):
        """What the page's messages say."""
        return self.wait_for(TOASTS)
