"""Tokens: refreshed in time, by one, saved before use; a person is asked only on an explicit refusal (reliability V7)."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs

import pytest
from tests.http.vendor import Handler, MemoryVault, Vendor, reply

from tieout import Endpoint, Fatal, Http, NeedsReauth, Retryable, Tokens, failpoints

Start = Callable[[Handler], Vendor]
NOW = 1_000_000.0


class Rotating:
    """An API and its token endpoint: a refresh token is used up by its use; only the newest access token is let in."""

    def __init__(self) -> None:
        self.n = 1
        self.refreshes = 0
        self.lost = 0  # answers of the token endpoint that never arrive
        self.lock = threading.Lock()

    def __call__(self, _: Vendor, request: BaseHTTPRequestHandler, body: bytes) -> None:
        if request.path != "/token":
            let_in = request.headers.get("Authorization") == f"Bearer access-{self.n}"
            reply(request, 200 if let_in else 401)
            return
        with self.lock:
            self.refreshes += 1
            given = parse_qs(body.decode()).get("refresh_token", [""])[0]
            if given != f"refresh-{self.n}":
                reply(request, 400, b'{"error": "invalid_grant"}')
                return
            self.n += 1
            if self.lost:
                self.lost -= 1
                self.n -= 1  # such a vendor honours the old token while the new one was never used
                request.close_connection = True
                request.connection.close()
                return
            made = {"access_token": f"access-{self.n}", "refresh_token": f"refresh-{self.n}", "expires_in": 3600}
            reply(request, 200, json.dumps(made).encode())


def http(vendor: Vendor, vault: MemoryVault, **more: str) -> Http:
    endpoint = Endpoint(url=f"{vendor.url}/token", client_id=lambda: "id", client_secret=lambda: "secret", **more)  # type: ignore[arg-type]
    return Http(base_url=vendor.url, hosts=(), vault=vault, oauth=endpoint, now=lambda: NOW, sleep=lambda _: None)


def held(n: int, seconds: float = 3_600.0) -> MemoryVault:
    return MemoryVault(Tokens(access=f"access-{n}", refresh=f"refresh-{n}", access_until=NOW + seconds))


def test_a_live_token_is_used_as_it_is(vendor: Start) -> None:
    api, vault = Rotating(), held(1)
    assert http(vendor(api), vault).read("GET", "/x").status == 200
    assert (api.refreshes, vault.saved) == (0, 0)


def test_a_dying_token_is_refreshed_before_it_is_used(vendor: Start) -> None:
    api, vault = Rotating(), held(1, seconds=60)
    shop = vendor(api)
    assert http(shop, vault).read("GET", "/x").status == 200
    assert [path for _, path, _, _ in shop.seen] == ["/token", "/x"]
    assert vault.tokens is not None
    assert vault.tokens.refresh == "refresh-2"


def test_a_token_refused_early_is_refreshed_once_and_the_same_bytes_go_again(vendor: Start) -> None:
    api, vault = Rotating(), held(1)
    shop = vendor(api)
    api.n = 2
    vault.tokens = Tokens(access="access-1", refresh="refresh-2", access_until=NOW + 3_600)
    assert http(shop, vault).write("POST", "/x", content=b'{"a":1}').status == 200
    assert [(path, body) for _, path, _, body in shop.seen if path == "/x"] == [("/x", b'{"a":1}')] * 2


def test_many_at_once_refresh_once(vendor: Start) -> None:
    api, vault = Rotating(), held(1, seconds=0)
    shop = vendor(api)
    calls = [http(shop, vault) for _ in range(8)]
    answers: list[int] = []
    threads = [threading.Thread(target=lambda c=c: answers.append(c.read("GET", "/x").status)) for c in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 8
    assert api.refreshes == 1


def test_a_refused_grant_asks_for_a_person(vendor: Start) -> None:
    api, vault = Rotating(), held(7, seconds=0)
    with pytest.raises(NeedsReauth, match="invalid_grant"):
        http(vendor(api), vault).read("GET", "/x")


def test_no_grant_asks_for_a_person(vendor: Start) -> None:
    with pytest.raises(NeedsReauth, match="no grant yet"):
        http(vendor(Rotating()), MemoryVault()).read("GET", "/x")


def test_a_lost_answer_of_the_token_endpoint_does_not(vendor: Start) -> None:
    api, vault = Rotating(), held(1, seconds=0)
    api.lost = 1
    assert http(vendor(api), vault).read("GET", "/x").status == 200
    assert api.refreshes == 2


def test_a_wrong_client_is_a_matter_of_configuration(vendor: Start) -> None:
    shop = vendor(lambda _, request, __: reply(request, 401, b'{"error": "invalid_client"}'))
    with pytest.raises(Fatal, match="client id"):
        http(shop, held(1, seconds=0)).read("GET", "/x")


def test_a_sick_token_endpoint_passes(vendor: Start) -> None:
    shop = vendor(lambda _, request, __: reply(request, 503))
    with pytest.raises(Retryable):
        http(shop, held(1, seconds=0)).read("GET", "/x")


def test_the_pair_is_saved_before_it_is_used(vendor: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    api, vault = Rotating(), held(1, seconds=0)
    shop = vendor(api)

    class Died(BaseException):
        pass

    def die(name: str) -> None:
        if name == "token.after_save":
            raise Died

    monkeypatch.setattr(failpoints, "handler", die)
    with pytest.raises(Died):
        http(shop, vault).read("GET", "/x")
    assert not [path for _, path, _, _ in shop.seen if path == "/x"]
    monkeypatch.setattr(failpoints, "handler", None)
    assert http(shop, vault).read("GET", "/x").status == 200  # the successor goes on with what was saved
    assert api.refreshes == 1


@pytest.mark.parametrize("client", ["basic", "form", "json"])
def test_ways_of_showing_the_client(vendor: Start, client: str) -> None:
    def token(_: Vendor, request: BaseHTTPRequestHandler, __: bytes) -> None:
        reply(request, 200, b'{"access_token": "a", "expires_in": 1800}')

    shop = vendor(token)
    http(shop, MemoryVault(), client=client, grant="client_credentials", scope="s").read("GET", "/x")
    _, _, headers, body = shop.seen[0]
    if client == "basic":
        assert headers["authorization"].startswith("Basic ")
        assert parse_qs(body.decode()) == {"grant_type": ["client_credentials"], "scope": ["s"]}
    else:
        fields = json.loads(body) if client == "json" else {k: v[0] for k, v in parse_qs(body.decode()).items()}
        expected = {"client_id": "id", "client_secret": "secret", "grant_type": "client_credentials", "scope": "s"}
        assert fields == expected
