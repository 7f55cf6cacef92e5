"""A server that other machines reach without keys is refused, with the line."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import ray
from ray.serve.config import HTTPOptions, ProxyLocation

from graphs.errors import ConfigError
from graphs.serve_config import submitted
from graphs.serve_config.reader import parse_serve_config

LOCAL = (Path(__file__).parents[3] / "local.yaml").read_text()
KEYS = "        user_config:\n          auth: {keys: true}\n          answers: quote"
HOST = "  host: 127.0.0.1 "


def with_host(host):
    return LOCAL.replace(HOST, f"  host: {host} ")


@pytest.mark.parametrize("host", ["0.0.0.0", "10.0.0.7", "example.org", '"::"', "127.0.0.1.evil"])
def test_an_open_host_needs_keys(host):
    with pytest.raises(ConfigError, match=r"c.yaml:8: http_options.host: host '.*keys: true"):
        parse_serve_config(with_host(host), "c.yaml")
    text = with_host(host).replace("        user_config:\n          answers: quote", KEYS)
    assert parse_serve_config(text, "c.yaml").gateway.auth.keys


ISSUER = "issuer: https://id.example/realms/acme"
JWT = f"{ISSUER}, audience: ragfleet, tenant: acme, scopes: {{'*': [query]}}"


@pytest.mark.parametrize(
    ("auth", "told"),
    [
        (f"jwt: {{{JWT}}}", "Gateway.user_config.auth: jwt needs `keys: true`"),
        (f"keys: true, jwt: {{{JWT}, tenant_claim: tid}}", "auth.jwt: jwt must have one of tenant"),
        (f"keys: true, jwt: {{{JWT[: JWT.index('tenant')]}scopes: {{'*': [query]}}}}", "neither"),
        (f"keys: true, jwt: {{{JWT.replace('https', 'http')}}}", "auth.jwt.issuer: String should"),
        (
            f"keys: true, jwt: {{{JWT.replace('query', 'root')}}}",
            "auth.jwt.scopes.*.0: String should",
        ),
        (f"keys: true, jwt: {{{JWT}, algorithms: [HS256]}}", "auth.jwt.algorithms.0: must be"),
        (f"keys: true, jwt: {{{JWT}, leeway_s: 3600}}", "auth.jwt.leeway_s: must be"),
        (f"keys: true, jwt: {{{JWT}, group_claim: g}}", "unknown key 'group_claim'; did you mean"),
    ],
)
def test_settings_of_tokens_that_make_no_sense_are_told_with_the_line(auth, told):
    text = LOCAL.replace(
        "          answers: quote", f"          auth: {{{auth}}}\n          answers: quote"
    )
    with pytest.raises(ConfigError) as refused:
        parse_serve_config(text, "c.yaml")
    (line,) = [line for line in str(refused.value).splitlines() if told in line]
    number = next(
        n for n, line in enumerate(text.splitlines(), 1) if "auth: {" in line and "id.ex" in line
    )
    assert line.startswith(f"c.yaml:{number}: ")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", '"::1"', "localhost"])
def test_loopback_needs_none(host):
    assert not parse_serve_config(with_host(host), "c.yaml").gateway.auth.keys


def test_serves_own_default_is_open():
    text = LOCAL.replace(HOST, "  # host: ")
    with pytest.raises(ConfigError, match=r"c.yaml:7: http_options: host '0.0.0.0' can be reached"):
        parse_serve_config(text, "c.yaml")


@pytest.mark.parametrize("keys", ["false", '"true"', "1"])
def test_what_is_not_true_is_no_key(keys):
    block = KEYS.replace("true", keys)
    text = with_host("0.0.0.0")
    text = text.replace("        user_config:\n          answers: quote", block)
    with pytest.raises(ConfigError, match="can be reached by other machines"):
        parse_serve_config(text, "c.yaml")


def test_without_a_proxy_nothing_is_open_unless_haproxy_is_on(monkeypatch):
    text = with_host("0.0.0.0").replace("proxy_location: HeadOnly", "proxy_location: Disabled")
    assert "Disabled" in text
    monkeypatch.delenv("RAY_SERVE_ENABLE_HA_PROXY", raising=False)
    with pytest.raises(ConfigError) as refused:
        parse_serve_config(text, "c.yaml")
    assert "nothing would listen" in str(refused.value)
    assert "can be reached" not in str(refused.value)
    monkeypatch.setenv("RAY_SERVE_ENABLE_HA_PROXY", "1")
    with pytest.raises(ConfigError, match="can be reached by other machines"):
        parse_serve_config(text, "c.yaml")


class _Controller:
    """What a controller of Serve says of its proxies, without a cluster."""

    def __init__(self, location):
        self.get_http_config = self.get_proxy_location = self
        self.told = [HTTPOptions(host="0.0.0.0"), location]

    def remote(self):
        return self.told.pop(0)


@pytest.mark.parametrize(
    ("location", "host"),
    [(ProxyLocation.Disabled, "127.0.0.1"), (ProxyLocation.HeadOnly, "0.0.0.0")],
)
def test_a_serve_that_runs_without_a_proxy_is_asked_where_it_stands(monkeypatch, location, host):
    monkeypatch.delenv("RAY_SERVE_ENABLE_HA_PROXY", raising=False)
    monkeypatch.setattr(ray, "get_actor", lambda *_, **__: _Controller(location))
    monkeypatch.setattr(ray, "get", lambda told, **_: told)
    assert submitted._host() == host


@pytest.mark.parametrize(
    ("host", "num_nodes", "has_token", "is_refused"),
    [
        ("0.0.0.0", 1, False, True),
        ("0.0.0.0", 1, True, False),
        ("127.0.0.1", 1, False, False),
        ("127.0.0.1", 2, False, True),
        ("127.0.0.1", 2, True, False),
    ],
)
def test_a_ray_that_runs_code_of_everybody_serves_no_other_machine(
    monkeypatch, host, num_nodes, has_token, is_refused
):
    monkeypatch.setattr(submitted, "is_token_auth_enabled", lambda: has_token)
    monkeypatch.setattr(submitted, "_dashboard_url", lambda: None)
    monkeypatch.setattr(ray, "nodes", lambda: [{"Alive": True}] * num_nodes + [{"Alive": False}])
    told = [fault.message for fault in submitted._open_ray_faults(host)]
    assert bool(told) is is_refused
    reached = repr(host) if num_nodes == 1 else "the cluster has 2 nodes"
    assert all("RAY_AUTH_MODE=token" in one and reached in one for one in told)


@pytest.mark.parametrize(("status", "is_refused"), [(200, True), (401, False), (503, False)])
def test_the_dashboard_itself_is_asked_whether_it_wants_a_token(monkeypatch, status, is_refused):
    class Jobs(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status if self.path == "/api/jobs/" else 404)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Jobs) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = "http://{}:{}".format(*server.server_address)
        monkeypatch.setattr(submitted, "is_token_auth_enabled", lambda: True)
        monkeypatch.setattr(submitted, "_dashboard_url", lambda: url)
        assert bool(list(submitted._open_ray_faults("0.0.0.0"))) is is_refused
        server.shutdown()
    assert not list(submitted._open_ray_faults("0.0.0.0"))  # nobody is there any more
