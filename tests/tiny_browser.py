"""Headless Chromium over the DevTools protocol, spoken through a pipe."""

import base64
import json
import os
import select
import shutil
import subprocess
import time

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "chrome")
SECONDS = 120  # that anything may take, also on a busy machine


def program():
    """The path of the first Chromium that is installed, or None."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


class Browser:
    """One page in a browser of its own.

    Attributes:
      requests: The addresses of all that the page asked for.
      errors: What scripts and the browser complained about.
    """

    def __init__(self, profile, size=(1200, 1600)):
        self.requests, self.errors = [], []
        self._number, self._session, self._rest = 0, None, b""
        to_browser, self._write = os.pipe()
        self._read, from_browser = os.pipe()

        def connect():  # it reads from 3 and writes to 4
            copies = [os.dup(fd) for fd in (to_browser, from_browser)]
            for fd, copy in zip((3, 4), copies):
                os.dup2(copy, fd)

        command = [
            program(),
            "--headless=new",
            "--no-sandbox",
            "--no-first-run",
            "--disable-quic",
            "--disable-background-networking",
            "--disable-dev-shm-usage",
            "--enable-unsafe-swiftshader",
            "--hide-scrollbars",
            "--remote-debugging-pipe",
            f"--window-size={size[0]},{size[1]}",
            f"--user-data-dir={profile}",
        ]
        self._process = subprocess.Popen(
            command,
            preexec_fn=connect,
            pass_fds=(3, 4),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser), os.close(from_browser)
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log", "DOM"):
            self.call(f"{domain}.enable")

    def close(self):
        self._session = None
        try:
            self.call("Browser.close")
            self._process.wait(10)
        finally:
            self._process.kill()
            self._process.wait()
            os.close(self._write), os.close(self._read)

    def call(self, method, **params):
        """Calls a method of the protocol and returns its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + SECONDS
        while True:
            answer = self._receive(end)
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self._note(answer)

    def _receive(self, end):
        while b"\0" not in self._rest:
            if not select.select([self._read], [], [], end - time.monotonic())[0]:
                raise TimeoutError(f"The browser is silent for {SECONDS} seconds.")
            data = os.read(self._read, 1 << 16)
            if not data:
                raise RuntimeError("The browser has ended.")
            self._rest += data
        message, self._rest = self._rest.split(b"\0", 1)
        return json.loads(message)

    def _note(self, event):
        params = event.get("params", {})
        if event["method"] == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif event["method"] == "Runtime.exceptionThrown":
            self.errors.append(str(params["exceptionDetails"]))
        elif params.get("entry", {}).get("level") == "error":  # of Log.entryAdded
            self.errors.append(str(params["entry"]))

    def open(self, url):
        self.call("Page.navigate", url=url)

    def evaluate(self, script):
        """The value of a JavaScript expression."""
        result = self.call(
            "Runtime.evaluate",
            expression=script,
            awaitPromise=True,
            returnByValue=True,
        )
        if "exceptionDetails" in result:
            raise RuntimeError(f"{script}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def wait_for(self, script):
        """The value of an expression as soon as it is true."""
        end = time.monotonic() + SECONDS
        while not (value := self.evaluate(script)):
            if time.monotonic() > end:
                text = self.evaluate("document.body.innerText")
                raise TimeoutError(f"{script} is never true. The page says:\n{text}")
            time.sleep(0.1)
        return value

    def box(self, script):
        """Where an element is on the screen: left, top, width and height, pixels."""
        self.evaluate(f"({script}).scrollIntoView({{block: 'center'}})")
        return self.evaluate(
            f"(r => [r.left, r.top, r.width, r.height])(({script})"
            ".getBoundingClientRect())"
        )

    def click(self, script):
        """Clicks in the middle of an element."""
        left, top, width, height = self.box(script)
        self.drag([(left + width / 2, top + height / 2)])

    def drag(self, points):
        """Presses the mouse at the first point, draws through all, and releases it."""
        for kind, point in (
            ("mouseMoved", points[0]),
            ("mousePressed", points[0]),
            *(("mouseMoved", point) for point in points[1:]),
            ("mouseReleased", points[-1]),
        ):
            self.call(
                "Input.dispatchMouseEvent",
                type=kind,
                x=point[0],
                y=point[1],
                button="none" if kind == "mouseMoved" and len(points) == 1 else "left",
                buttons=0 if kind == "mouseReleased" else 1,
                clickCount=1,
            )

    def upload(self, script, path):
        """Gives a file to an <input type=file>."""
        found = self.call("Runtime.evaluate", expression=script)["result"]
        self.call(
            "DOM.setFileInputFiles", files=[str(path)], objectId=found["objectId"]
        )

    def screenshot(self, path, *, whole=False):
        """Writes a PNG of what is seen, or of the whole page."""
        options = {"captureBeyondViewport": True} if whole else {}
        data = self.call("Page.captureScreenshot", **options)["data"]
        path.write_bytes(base64.b64decode(data))
