"""A connection's calls. `read` may be repeated and is, with back-off; `write` goes out once and says what is known of it.

http = context.http(base_url=..., auth=..., purse=..., look=...)
answer = http.read("GET", "/accounts", params={"page": "1"})
answer = http.write("POST", "/journalentry", content=body, headers={...})
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final
from urllib.parse import urljoin, urlsplit

import httpx
import tenacity

from tieout.errors import Fatal, RateLimited, Retryable
from tieout.failpoints import failpoint
from tieout.http.answers import Answer, broken
from tieout.http.budgets import PATIENCE_SECONDS, READ_PATIENCE_SECONDS, Purse
from tieout.http.grants import Auth, Endpoint, OAuth, Vault
from tieout.http.wire import Wire, deadline

log = logging.getLogger("tieout.http")

DEADLINE_SECONDS: Final = 60.0  # of one request, connect to last byte
BODY_BYTES_MAX: Final = 64 * 1024 * 1024
LINE_BYTES_MAX: Final = 16 * 1024 * 1024
DOWNLOAD_SECONDS_MAX: Final = 4 * 3_600.0
READ_ATTEMPTS_MAX: Final = 6
WAIT_SECONDS_MAX: Final = 20.0
CHUNK_BYTES: Final = 64 * 1024
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})

Look = Callable[[Answer], None]  # a connector's own reading of an answer: raise, or tell a budget what it says


class Http:
    """Calls of one connection to one vendor. Only the hosts of its manifest, https only; loopback for a sandbox."""

    def __init__(
        self,
        *,
        base_url: str,
        hosts: tuple[str, ...],
        vault: Vault | None = None,
        auth: Auth | None = None,
        oauth: Endpoint | None = None,
        purse: Purse | None = None,
        headers: Mapping[str, str] | None = None,
        look: Look | None = None,
        deadline_seconds: float = DEADLINE_SECONDS,
        transport: httpx.BaseTransport | None = None,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        on_call: Callable[[httpx.Request, Answer], None] | None = None,
    ) -> None:
        self.base_url = base_url.rstrip("/") + "/"
        self.loopback = (urlsplit(base_url).hostname or "") in _LOOPBACK
        self._hosts = hosts
        self.purse = purse or Purse()
        self.purse.run_on(now, sleep)
        self._headers = {"User-Agent": "tieout", "Accept": "application/json", **(headers or {})}
        self._look = look
        self._deadline = deadline_seconds
        self._now = now
        self._sleep = sleep
        self._on_call = on_call
        self._client = httpx.Client(
            transport=transport or Wire(loopback=self.loopback),
            timeout=httpx.Timeout(deadline_seconds, connect=min(10.0, deadline_seconds)),
            follow_redirects=False,
            trust_env=False,
        )
        self.clock_off: float | None = None  # seconds our clock is ahead of the vendor's, by its last answer
        self.grant: OAuth | None = None
        if oauth is not None:
            if vault is None:
                raise Fatal("a grant needs a vault to be kept in", code="TO6210")
            self.grant = OAuth(oauth, vault, self._plain, now)
        self._auth: Auth | None = auth or self.grant

    def close(self) -> None:
        self._client.close()

    # ── calls ──────────────────────────────────────────────────────────────────────────────────────────────────────
    def read(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        cost: int = 1,
    ) -> Answer:
        """A call without effect at the vendor: repeated on what passes, up to a bound. `cost` is paid from the budgets."""
        for attempt in tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(Retryable),
            stop=tenacity.stop_after_attempt(READ_ATTEMPTS_MAX),
            wait=tenacity.wait_random_exponential(multiplier=0.5, max=WAIT_SECONDS_MAX),
            sleep=self._sleep,
            reraise=True,
        ):
            with attempt:
                return self._patiently(method, path, params, content, headers, cost)
        raise AssertionError("tenacity gave neither an answer nor an error")

    def write(
        self,
        method: str,
        path: str,
        *,
        content: bytes,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        cost: int = 1,
    ) -> Answer:
        """A call with effect: these bytes, once. Raises Ambiguous where nobody knows whether it took effect."""
        request = self._request(method, path, params, content, headers)
        with self._paying(cost):
            return self._let_in(request, writing=True)

    def lines(self, url: str, *, headers: Mapping[str, str] | None = None) -> Iterator[bytes]:
        """Lines of a file at the vendor, streamed. Not repeated here: whoever reads knows where it was."""
        request = self._request("GET", url, None, None, headers)
        token = deadline.set(time.monotonic() + DOWNLOAD_SECONDS_MAX)
        rest = b""
        try:
            response = self._client.send(request, stream=True)
            try:
                if response.status_code >= 400:
                    response.read()
                    self._answer(request, response, response.content, writing=False).raise_for_status()
                for chunk in response.iter_bytes(CHUNK_BYTES):
                    *whole, rest = (rest + chunk).split(b"\n")
                    yield from whole
                    if len(rest) > LINE_BYTES_MAX:
                        raise Fatal(
                            f"a line is longer than {LINE_BYTES_MAX} bytes", code="TO6211", where=_shown(request)
                        )
            finally:
                response.close()
        except httpx.TransportError as error:
            raise broken(error, _shown(request), writing=False) from error
        finally:
            deadline.reset(token)
        if rest:
            yield rest

    def wait(self, seconds: float) -> None:
        """Let time pass by the clock of these calls: a vendor's own job is not done yet."""
        self._sleep(seconds)

    # ── one call ───────────────────────────────────────────────────────────────────────────────────────────────────
    def _patiently(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None,
        content: bytes | None,
        headers: Mapping[str, str] | None,
        cost: int,
    ) -> Answer:
        """A read; being told to wait a little does not use up an attempt."""
        until = self._now() + READ_PATIENCE_SECONDS
        while True:
            try:
                with self._paying(cost, READ_PATIENCE_SECONDS):
                    return self._let_in(self._request(method, path, params, content, headers), writing=False)
            except RateLimited as limited:
                if limited.until > until:
                    raise
                self._sleep(max(0.0, limited.until - self._now()))

    @contextmanager
    def _paying(self, cost: int, patience_seconds: float = PATIENCE_SECONDS) -> Iterator[None]:
        with self.purse.paying(cost, patience_seconds=patience_seconds):
            try:
                yield
            except RateLimited as limited:
                self.purse.refused(limited.until)
                raise

    def _let_in(self, request: httpx.Request, *, writing: bool) -> Answer:
        """Send with the grant; after a 401 once more with a renewed one: a 401 took no effect."""
        if self._auth is None:
            return self._judged(self._send(request, writing=writing))
        shown = self._auth.headers()
        request.headers.update(shown)
        answer = self._send(request, writing=writing)
        if answer.status == 401 and self._auth.renew(shown):
            request.headers.update(self._auth.headers())
            answer = self._send(request, writing=writing)
        return self._judged(answer)

    def _judged(self, answer: Answer) -> Answer:
        if self._look is not None:
            self._look(answer)
        return answer.raise_for_status()

    def _plain(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """A call without a grant: to the token endpoint."""
        return self._send(self._request(method, url, None, body, headers), writing=False)

    def _send(self, request: httpx.Request, *, writing: bool) -> Answer:
        token = deadline.set(time.monotonic() + self._deadline)
        if writing:
            failpoint("http: before write")
        try:
            response = self._client.send(request, stream=True)
            try:
                body = _bounded(response, request, writing=writing)
            finally:
                response.close()
        except (httpx.TransportError, httpx.DecodingError) as error:
            seen = error if isinstance(error, httpx.TransportError) else httpx.ReadError(str(error))
            log.info("%s %s: %s", request.method, _shown(request), error)
            raise broken(seen, _shown(request), writing=writing) from error
        finally:
            deadline.reset(token)
            if writing:
                failpoint("http: after write")
        return self._answer(request, response, body, writing=writing)

    def _answer(self, request: httpx.Request, response: httpx.Response, body: bytes, *, writing: bool) -> Answer:
        headers = {name.lower(): value for name, value in response.headers.items()}
        answer = Answer(response.status_code, headers, body, _shown(request), writing, self._now())
        log.info("%s %s: %s %s", request.method, answer.url, answer.status, answer.request_id)
        self.clock_off = answer.clock_off
        if self._on_call is not None:
            self._on_call(request, answer)
        if 300 <= answer.status < 400:
            raise Fatal(
                f"the vendor redirects ({answer.status}); redirects are not followed", code="TO6212", where=answer.url
            )
        return answer

    def _request(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None,
        content: bytes | None,
        headers: Mapping[str, str] | None,
    ) -> httpx.Request:
        url = httpx.URL(urljoin(self.base_url, path.lstrip("/") if "://" not in path else path))
        if params:
            url = url.copy_merge_params(dict(params))
        self._refuse_strangers(url)
        return self._client.build_request(method, url, content=content, headers={**self._headers, **(headers or {})})

    def _refuse_strangers(self, url: httpx.URL) -> None:
        if self.loopback:
            allowed = url.host in _LOOPBACK
        else:
            allowed = url.scheme == "https" and any(_matches(url.host, host) for host in self._hosts)
        if not allowed:
            raise Fatal(
                f"{url.scheme}://{url.host} is not a host this connector declares",
                code="TO6213",
                fix="the manifest's `hosts` lists where a connector may go, over https",
            )


def _bounded(response: httpx.Response, request: httpx.Request, *, writing: bool) -> bytes:
    parts, size = [], 0
    for chunk in response.iter_bytes(CHUNK_BYTES):
        size += len(chunk)
        if size > BODY_BYTES_MAX:
            raise Answer(response.status_code, {}, b"", _shown(request), writing).unclear(
                f"the answer is longer than {BODY_BYTES_MAX} bytes"
            )
        parts.append(chunk)
    return b"".join(parts)


def _matches(host: str, allowed: str) -> bool:
    """`*.example.com` allows every host below example.com, not example.com itself."""
    return host.endswith(allowed[1:]) and host != allowed[2:] if allowed.startswith("*.") else host == allowed


def _shown(request: httpx.Request) -> str:
    """Where a request goes, without its query: that may hold what is nobody's business."""
    return f"{request.url.scheme}://{request.url.host}{request.url.path}"
