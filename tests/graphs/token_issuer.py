"""An identity provider on this machine: real HTTP, real keys, and tokens as it is told to make."""

import json
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

DISCOVERY = "/realms/acme/.well-known/openid-configuration"


class TokenIssuer:
    """Serves a discovery document and a set of keys; `asked` counts what was fetched.

    `is_up` False: every request gets 503. `told` puts another document in the place of one.
    """

    def __init__(self):
        self.asked = Counter()
        self.is_up = True
        self.told = {}
        self.keys = {}
        self._jwks = {}
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                issuer.asked[self.path] += 1
                body = json.dumps(issuer.document(self.path)).encode()
                self.send_response(200 if issuer.is_up else 503)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/realms/acme"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self.add_key("k1", "RS256")

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def document(self, path):
        if path in self.told:
            return self.told[path]
        if path == DISCOVERY:
            return {"issuer": self.url, "jwks_uri": f"{self.url}/certs"}
        return {"keys": list(self._jwks.values())}

    def add_key(self, kid, algorithm, **changed):
        """Makes a key that the issuer signs with from now on."""
        if algorithm.startswith("ES"):
            private = ec.generate_private_key(ec.SECP256R1())
            told = ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
        else:
            private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            told = RSAAlgorithm.to_jwk(private.public_key(), as_dict=True)
        told.pop("key_ops", None)
        self.keys[kid] = private
        self._jwks[kid] = told | {"kid": kid, "use": "sig", "alg": algorithm} | changed
        return told

    def drop_key(self, kid):
        del self._jwks[kid]

    def claims(self, **changed):
        now = int(time.time())
        claims = {
            "iss": self.url, "aud": ["account", "ragfleet"], "sub": "u-1", "iat": now,
            "exp": now + 300, "azp": "web", "typ": "Bearer", "scope": "openid rag.query",
            "preferred_username": "ann", "groups": ["sales", "/staff"],
            "realm_access": {"roles": ["offline_access"]}, "tid": "acme",
        }  # fmt: skip
        return {name: one for name, one in (claims | changed).items() if one is not None}

    def token(self, *, kid="k1", algorithm="RS256", key=None, headers=None, **changed):
        """Makes a token; a claim that is None is left out."""
        named = ({} if kid is None else {"kid": kid}) | (headers or {})
        signer = self.keys.get(kid) if key is None else key
        return jwt.encode(self.claims(**changed), signer, algorithm, headers=named)
