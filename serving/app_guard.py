"""What the web page's server refuses, and what it forbids browsers to fetch."""

from __future__ import annotations

from serving import app_pictures

# An upload with what surrounds it in a form.
MAX_REQUEST = app_pictures.MAX_BYTES + 2**20

# Everything comes from this server or is made in the page; nothing is fetched, from
# fonts to statistics, and no other page may frame this one. Gradio's own scripts are
# partly inline, and its painter compiles its shaders' code.
POLICY = "; ".join(
    (
        "default-src 'self' data: blob:",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
        "style-src 'self' 'unsafe-inline'",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
_HEADERS = [
    (b"content-security-policy", POLICY.encode()),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
]


class Guard:
    """ASGI middleware: limits the size of requests and adds headers to answers.

    Args:
      app: What answers.
      max_request: Of a request's body, bytes.
    """

    def __init__(self, app, max_request: int = MAX_REQUEST):
        self._app = app
        self._max_request = max_request

    async def __call__(self, scope, receive, send):
        """Answers a request, or passes it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = self._refusal(scope)
        if status:
            text = [(b"content-type", b"text/plain")]
            headers = [*_HEADERS, *text]
            start = {"type": "http.response.start", "status": status}
            await send({**start, "headers": headers})
            body = f"Requests may have {self._max_request} bytes.".encode()
            await send({"type": "http.response.body", "body": body})
            return

        async def send_with_headers(message):
            if message["type"] == "http.response.start":
                headers = [*message.get("headers", []), *_HEADERS]
                message = {**message, "headers": headers}
            await send(message)

        await self._app(scope, receive, send_with_headers)

    def _refusal(self, scope) -> int:
        """The status that refuses a request; 0 lets it pass.

        Servers read no more of a body than its header announces, so that the header is
        enough; without it nobody knows how much is to come.
        """
        headers = dict(scope["headers"])
        length = headers.get(b"content-length")
        if length is None:
            return 411 if b"transfer-encoding" in headers else 0
        return 413 if int(length) > self._max_request else 0
