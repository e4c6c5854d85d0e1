"""Who may talk to the desk: whoever has its address, from its own pages alone."""

from __future__ import annotations

import secrets
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Nothing but the desk's own files, no script or style in a page, no frame around it, forms to the desk alone.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",  # with none, browsers would not say where a form comes from
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Guard:
    """Passes on what comes from the desk's own pages, in a browser that was given the token once."""

    def __init__(self, app: ASGIApp, token: str, port: int) -> None:
        self.app = app
        self.token = token
        self.hosts = (f"127.0.0.1:{port}", f"localhost:{port}")
        self.cookie = f"desk_{port}"  # cookies know no ports: another desk's must not be replaced

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        answer = self.refusal(scope) or self.app
        await answer(scope, receive, with_headers)

    def refusal(self, scope: Scope) -> Response | None:
        """What is answered instead; None where the request may pass."""
        headers = Headers(scope=scope)
        if headers.get("host") not in self.hosts:  # a name that somebody made point here
            return _refused("this address is not the desk's: open the one that `grader desk` printed")
        # Another server of this machine is the same site to a browser, but not the same origin.
        own = f"http://{headers['host']}"
        origin = headers.get("origin")
        if origin not in (own, None) or (origin is None and scope["method"] not in ("GET", "HEAD")):
            return _refused("this request comes from another page")
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            return _refused("this request comes from another page")
        given = parse_qs(scope["query_string"].decode("ascii", "replace")).get("token", [""])[0]
        if scope["path"] == "/" and self._is_token(given):
            answer = RedirectResponse("/", 303)
            answer.set_cookie(self.cookie, self.token, httponly=True, samesite="strict")
            return answer
        if not self._is_token(cookie(headers, self.cookie)):
            return _refused("open the address that `grader desk` printed, token included")
        return None

    def _is_token(self, given: str) -> bool:
        return secrets.compare_digest(given.encode(errors="replace"), self.token.encode())


def cookie(headers: Headers, name: str) -> str:
    """A cookie's value; empty where there is none."""
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return ""
    return found.value if found else ""


def _refused(why: str) -> Response:
    return PlainTextResponse(f"refused: {why}\n", 403)
