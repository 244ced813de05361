"""What a call to a vendor may do to us, on real sockets: reliability V1 to V5, V9 and the security anchors."""

from __future__ import annotations

import gzip
import socket
import struct
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler

import httpx
import pytest
from tests.http.vendor import Handler, Vendor, reply

from tieout import Ambiguous, Fatal, Http, NeedsReauth, Purse, RateLimited, Rejected, Retryable, Window
from tieout.http import client as client_module
from tieout.http.answers import Answer

Start = Callable[[Handler], Vendor]


class Sleeper:
    def __init__(self) -> None:
        self.slept: list[float] = []
        self.at = 1_000_000.0

    def now(self) -> float:
        return self.at

    def __call__(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += seconds


def http(vendor: Vendor | str, **how: object) -> Http:
    url = vendor if isinstance(vendor, str) else vendor.url
    how.setdefault("sleep", lambda _: None)
    return Http(base_url=url, hosts=(), **how)  # type: ignore[arg-type]


def always(status: int, body: bytes = b"{}", **headers: str) -> Handler:
    return lambda _, request, __: reply(request, status, body, **headers)


def cut(request: BaseHTTPRequestHandler) -> None:
    """End the connection with a reset."""
    request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    request.close_connection = True
    request.connection.close()


def test_decimals_survive(vendor: Start) -> None:
    shop = vendor(always(200, b'{"amount": 0.10, "id": 9007199254740993}'))
    data = http(shop).read("GET", "/x").json()
    assert str(data["amount"]) == "0.10"
    assert data["id"] == 9007199254740993


def test_a_read_is_repeated_until_it_passes(vendor: Start) -> None:
    def sometimes(shop: Vendor, request: BaseHTTPRequestHandler, _: bytes) -> None:
        reply(request, 503 if len(shop.seen) < 4 else 200)

    shop = vendor(sometimes)
    assert http(shop).read("GET", "/x").status == 200
    assert len(shop.seen) == 4


def test_a_read_gives_up_at_its_bound(vendor: Start) -> None:
    shop = vendor(always(502))
    with pytest.raises(Retryable):
        http(shop).read("GET", "/x")
    assert len(shop.seen) == client_module.READ_ATTEMPTS_MAX


@pytest.mark.parametrize("status", [500, 502, 503, 504, 408])
def test_a_write_goes_out_once_and_a_server_fault_is_ambiguous(vendor: Start, status: int) -> None:
    shop = vendor(always(status, Retry_After="1"))
    with pytest.raises(Ambiguous):
        http(shop).write("POST", "/x", content=b"{}")
    assert len(shop.seen) == 1


@pytest.mark.parametrize("writing", [False, True])
def test_what_was_never_sent_is_not_ambiguous(nowhere: str, writing: bool) -> None:
    call = http(nowhere)
    with pytest.raises(Retryable, match="nothing was sent"):
        _ = call.write("POST", "/x", content=b"{}") if writing else call.read("GET", "/x")


def test_a_reset_after_the_request_is_ambiguous_on_a_write(vendor: Start) -> None:
    shop = vendor(lambda _, request, __: cut(request))
    with pytest.raises(Ambiguous):
        http(shop).write("POST", "/x", content=b"{}")
    with pytest.raises(Retryable):
        http(shop).read("GET", "/x")


@pytest.mark.parametrize("body", [b"<html>log in</html>", b"", b'{"a": 1', b'{"a": NaN}'])
def test_a_200_that_says_nothing_is_not_a_success(vendor: Start, body: bytes) -> None:
    shop = vendor(always(200, body))
    with pytest.raises(Ambiguous):
        http(shop).write("POST", "/x", content=b"{}").json()
    with pytest.raises(Retryable):
        http(shop).read("GET", "/x").json()


def test_a_definite_refusal_is_not_repeated(vendor: Start) -> None:
    shop = vendor(always(422, b'{"errors": "quantity"}'))
    with pytest.raises(Rejected, match="quantity"):
        http(shop).read("GET", "/x")
    assert len(shop.seen) == 1


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("2", 2), ("2.0", 2), ("nonsense", 60), ("99999999", 60), ("-5", 0), ("nan", 60), ("inf", 60)],
)
def test_the_word_retry_after(header: str, seconds: int) -> None:
    answer = Answer(429, {"retry-after": header}, b"", at=1_000.0)
    with pytest.raises(RateLimited) as caught:
        answer.raise_for_status()
    assert caught.value.until == 1_000 + seconds


def test_retry_after_as_a_date() -> None:
    then = Answer(429, {"retry-after": "Thu, 01 Jan 1970 00:33:20 GMT"}, b"", at=1_000.0)
    assert then.retry_after(7) == 1_000
    past = Answer(429, {"retry-after": "Thu, 01 Jan 1970 00:00:20 GMT"}, b"", at=1_000.0)
    assert past.retry_after(7) == 0


def test_a_short_limit_is_waited_for_and_uses_up_no_attempt(vendor: Start) -> None:
    def limited(shop: Vendor, request: BaseHTTPRequestHandler, _: bytes) -> None:
        busy = len(shop.seen) <= client_module.READ_ATTEMPTS_MAX + 2
        reply(request, 429 if busy else 200, Retry_After="1")

    shop, sleeper = vendor(limited), Sleeper()
    assert http(shop, now=sleeper.now, sleep=sleeper).read("GET", "/x").status == 200
    assert sum(sleeper.slept) >= client_module.READ_ATTEMPTS_MAX + 2


def test_a_long_limit_is_not_slept_through(vendor: Start) -> None:
    shop, sleeper = vendor(always(429, Retry_After="3600")), Sleeper()
    purse = Purse((Window("minute", 60, 60.0),))
    call = http(shop, now=sleeper.now, sleep=sleeper, purse=purse)
    with pytest.raises(RateLimited) as caught:
        call.read("GET", "/x")
    assert caught.value.until == sleeper.at + 3_600
    with pytest.raises(RateLimited):  # and nobody asks again before
        call.read("GET", "/x")
    assert len(shop.seen) == 1
    assert not sleeper.slept


def test_a_budget_of_calls_is_kept(vendor: Start) -> None:
    shop, sleeper = vendor(always(200)), Sleeper()
    purse = Purse((Window("ten seconds", 3, 10.0),))
    call = http(shop, now=sleeper.now, sleep=sleeper, purse=purse)
    for _ in range(7):
        call.read("GET", "/x")
    assert sum(sleeper.slept) == 20


def test_a_byte_a_second_does_not_hold_us(vendor: Start) -> None:
    def drip(_: Vendor, request: BaseHTTPRequestHandler, __: bytes) -> None:
        request.send_response(200)
        request.send_header("Content-Length", "100")
        request.end_headers()
        try:
            for _n in range(100):
                request.wfile.write(b" ")
                request.wfile.flush()
                time.sleep(0.1)  # seconds
        except OSError:
            request.close_connection = True

    shop = vendor(drip)
    begun = time.monotonic()
    with pytest.raises(Ambiguous):
        http(shop, deadline_seconds=0.6).write("POST", "/x", content=b"{}")
    assert time.monotonic() - begun < 5


def test_dripping_headers_do_not_hold_us(vendor: Start) -> None:
    def drip(_: Vendor, request: BaseHTTPRequestHandler, __: bytes) -> None:
        try:
            for byte in b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20:
                request.connection.sendall(bytes([byte]))
                time.sleep(0.1)  # seconds
        except OSError:
            pass
        request.close_connection = True

    shop = vendor(drip)
    begun = time.monotonic()
    with pytest.raises(Ambiguous):
        http(shop, deadline_seconds=0.6).write("POST", "/x", content=b"{}")
    assert time.monotonic() - begun < 5


def test_an_answer_without_end_is_bounded(vendor: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "BODY_BYTES_MAX", 1_000_000)
    bomb = gzip.compress(b" " * 50_000_000)
    shop = vendor(always(200, bomb, Content_Encoding="gzip"))
    with pytest.raises(Retryable, match="longer than"):
        http(shop).read("GET", "/x")


def test_redirects_are_not_followed(vendor: Start) -> None:
    shop = vendor(always(302, Location="http://169.254.169.254/latest"))
    with pytest.raises(Fatal, match="redirect"):
        http(shop).read("GET", "/x")


@pytest.mark.parametrize("url", ["https://evil.example/x", "http://api.vendor.example/x", "https://vendor.example/x"])
def test_only_declared_hosts_over_https(url: str) -> None:
    call = Http(base_url="https://api.vendor.example", hosts=("api.vendor.example", "*.vendor.example"))
    with pytest.raises(Fatal, match="not a host"):
        call.read("GET", url)


def test_a_sandbox_reaches_only_loopback() -> None:
    with pytest.raises(Fatal, match="not a host"):
        http("http://127.0.0.1:9").read("GET", "https://api.vendor.example/x")


def test_a_public_name_that_points_inside_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    inside = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.7", 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: inside)
    call = Http(base_url="https://api.vendor.example", hosts=("api.vendor.example",), sleep=lambda _: None)
    with pytest.raises(Retryable, match="not an address this connection may use"):
        call.read("GET", "/x")


def test_a_download_is_streamed_by_lines(vendor: Start) -> None:
    text = b"\n".join(b'{"n":%d}' % n for n in range(50_000))
    shop = vendor(always(200, text))
    lines = list(http(shop).lines("/file.jsonl"))
    assert len(lines) == 50_000
    assert b"\n".join(lines) == text


def test_a_connector_reads_more_out_of_an_answer(vendor: Start) -> None:
    def look(answer: Answer) -> None:
        if b"THROTTLED" in answer.body:
            raise RateLimited("throttled", until=answer.at)

    def throttled_once(shop: Vendor, request: BaseHTTPRequestHandler, _: bytes) -> None:
        reply(request, 200, b'{"code": "THROTTLED"}' if len(shop.seen) == 1 else b'{"data": {}}')

    shop = vendor(throttled_once)
    assert http(shop, look=look).read("POST", "/graphql", content=b"{}").json() == {"data": {}}


def test_without_a_grant_a_401_asks_for_a_person(vendor: Start) -> None:
    shop = vendor(always(401, b'{"error": "unauthorized"}'))
    with pytest.raises(NeedsReauth):
        http(shop).read("GET", "/x")


def test_a_vendor_in_this_process_needs_no_socket() -> None:
    inside = httpx.MockTransport(lambda request: httpx.Response(200, json={"path": request.url.path}))
    call = Http(base_url="https://api.vendor.example/v3/", hosts=("api.vendor.example",), transport=inside)
    assert call.read("GET", "company/1").json() == {"path": "/v3/company/1"}
