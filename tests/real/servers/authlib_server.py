"""Authlib's authorization server, on free ports of 127.0.0.1: HTTP, and HTTPS if there is a
certificate. Told what it is by a line of JSON on standard input, says where it listens on standard
output, and ends when standard input does.

A token for the resource .../jwt is a JWT, which Authlib introspects by its signature; any other is
opaque. Authlib is a framework: what it leaves to its users, and is therefore here, are the stores of
clients and tokens."""

import hmac
import json
import os
import ssl
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field

# The server speaks plain HTTP too, on loopback.
os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import ClientMixin, TokenMixin, grants
from authlib.oauth2.rfc6750 import BearerTokenGenerator
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from authlib.oauth2.rfc9068 import JWTBearerTokenGenerator, JWTIntrospectionEndpoint
from flask import Flask, request
from joserfc.jwk import KeySet, RSAKey
from werkzeug.serving import make_server

settings = json.loads(sys.stdin.readline())
tokens = {}
keys = KeySet([RSAKey.generate_key(2048, {"kid": "test", "use": "sig"})])


@dataclass
class Client(ClientMixin):
    id: str
    secret: str
    method: str

    def get_client_id(self):
        return self.id

    def get_allowed_scope(self, scope):
        return scope

    def check_client_secret(self, secret):
        return hmac.compare_digest(self.secret.encode(), (secret or "").encode())

    def check_endpoint_auth_method(self, method, endpoint):
        return method == self.method

    def check_grant_type(self, grant_type):
        return grant_type == "client_credentials"


@dataclass
class Token(TokenMixin):
    client: Client
    scope: str
    lifetime: int
    revoked: bool = False
    issued: int = field(default_factory=lambda: int(time.time()))

    def check_client(self, client):
        return client.id == self.client.id

    def get_scope(self):
        return self.scope

    def get_expires_in(self):
        return self.lifetime

    def is_expired(self):
        return self.issued + self.lifetime <= time.time()

    def is_revoked(self):
        return self.revoked


class ClientCredentials(grants.ClientCredentialsGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic", "client_secret_post"]


class JwtGenerator(JWTBearerTokenGenerator):
    def get_jwks(self):
        return keys


class Introspection(IntrospectionEndpoint):
    CLIENT_AUTH_METHODS = ["client_secret_basic", "client_secret_post"]

    def check_permission(self, token, client, request):
        return True

    def query_token(self, token_string, token_type_hint):
        return tokens.get(token_string)

    def introspect_token(self, token):
        return {
            "client_id": token.client.id,
            "token_type": "Bearer",
            "scope": token.scope,
            "iss": settings["issuer"],
            "iat": token.issued,
            "exp": token.issued + token.lifetime,
        }


class JwtIntrospection(JWTIntrospectionEndpoint):
    CLIENT_AUTH_METHODS = ["client_secret_basic", "client_secret_post"]

    def check_permission(self, token, client, request):
        return True

    def get_jwks(self):
        return keys


class Revocation(RevocationEndpoint):
    def query_token(self, token_string, token_type_hint):
        return tokens.get(token_string)

    def revoke_token(self, token, request):
        token.revoked = True


def save_token(token, request):
    if "." not in token["access_token"]:
        tokens[token["access_token"]] = Token(request.client, token["scope"], token["expires_in"])


def generate(*arguments, **named):
    is_jwt = request.form.get("resource", "").endswith("/jwt")
    return (jwts if is_jwt else opaque)(*arguments, **named)


clients = {client["id"]: Client(**client) for client in settings["clients"]}
app = Flask("authlib_server")
server = AuthorizationServer(app, query_client=clients.get, save_token=save_token)
opaque = BearerTokenGenerator(server.create_bearer_token_generator(app.config).access_token_generator)
jwts = JwtGenerator(settings["issuer"])
server.register_token_generator("default", generate)
server.register_grant(ClientCredentials)
server.register_endpoint(JwtIntrospection(settings["issuer"]))
server.register_endpoint(Introspection)
server.register_endpoint(Revocation)


@app.post("/token")
def token():
    return server.create_token_response()


@app.post("/token/introspection")
def introspection():
    return server.create_endpoint_response("introspection")


@app.post("/token/revocation")
def revocation():
    return server.create_endpoint_response("revocation")


def listen(tls=None):
    listener = make_server("127.0.0.1", 0, app, threaded=True, ssl_context=tls)
    threading.Thread(target=listener.serve_forever, daemon=True).start()
    return listener.port


def context(tls):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile("w") as both:
        both.write(tls["key"] + tls["cert"])
        both.flush()
        made.load_cert_chain(both.name)
    return made


ports = {"http": listen()}
if settings.get("tls"):
    ports["https"] = listen(context(settings["tls"]))
print(json.dumps(ports), flush=True)
sys.stdin.read()
