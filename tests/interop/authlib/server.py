"""An authorization server around Authlib, which does the protocol. What there is here is what Authlib leaves to those
who use it: records, and what is allowed. Its arguments are the port, the resource that all tokens are for, the secret
of the gate, and how many seconds a token is good. `DELETE /tokens` takes back whatever was issued."""

import os
import secrets
import sys
from dataclasses import dataclass

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import AuthorizationCodeMixin, ClientMixin, TokenMixin
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant, RefreshTokenGrant
from authlib.oauth2.rfc7591 import ClientRegistrationEndpoint
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from authlib.oauth2.rfc9068 import JWTBearerTokenGenerator, JWTIntrospectionEndpoint
from authlib.oauth2.rfc9207 import IssuerParameter
from flask import Flask, request
from joserfc.jwk import ECKey, KeySet

PORT, RESOURCE, SECRET, LIFETIME = sys.argv[1:]
ISSUER = f"http://127.0.0.1:{PORT}"
METADATA = AuthorizationServerMetadata(
    issuer=ISSUER,
    authorization_endpoint=f"{ISSUER}/authorize",
    token_endpoint=f"{ISSUER}/token",
    registration_endpoint=f"{ISSUER}/register",
    introspection_endpoint=f"{ISSUER}/introspect",
    jwks_uri=f"{ISSUER}/jwks",
    scopes_supported=["mcp:use", "files:write"],
    response_types_supported=["code"],
    grant_types_supported=["authorization_code", "refresh_token"],
    token_endpoint_auth_methods_supported=["none"],
    code_challenge_methods_supported=["S256"],
    authorization_response_iss_parameter_supported=True,
)
KEYS = KeySet([ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256"}, auto_kid=True)])


@dataclass
class User:
    name: str

    def get_user_id(self):
        return self.name


@dataclass
class Client(ClientMixin):
    client_id: str
    method: str
    redirect_uris: list
    grant_types: list

    def get_client_id(self):
        return self.client_id

    # Regardless of its registration: SDKs name the scopes that they need first, and want others later.
    def get_allowed_scope(self, scope):
        return scope or ""

    def check_redirect_uri(self, redirect_uri):
        return redirect_uri in self.redirect_uris

    def check_client_secret(self, client_secret):
        return secrets.compare_digest(client_secret, SECRET)

    def check_endpoint_auth_method(self, method, endpoint):
        return method == self.method

    def check_response_type(self, response_type):
        return response_type == "code"

    def check_grant_type(self, grant_type):
        return grant_type in self.grant_types


@dataclass
class Grant(AuthorizationCodeMixin, TokenMixin):
    """What the user allowed: behind a code first, then behind a refresh token."""

    client: Client
    user: User
    scope: str
    redirect_uri: str = None
    code_challenge: str = None
    code_challenge_method: str = None

    def get_redirect_uri(self):
        return self.redirect_uri

    def get_scope(self):
        return self.scope

    def check_client(self, client):
        return client is self.client


clients = {"gate": Client("gate", "client_secret_post", [], [])}
codes, access_tokens, refresh_tokens = {}, set(), {}


def save_token(token, request):
    access_tokens.add(token["access_token"])
    if "refresh_token" in token:
        grant = Grant(request.client, request.user, token.get("scope", ""))
        refresh_tokens[token["refresh_token"]] = grant


class Codes(AuthorizationCodeGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ["none"]

    def save_authorization_code(self, code, request):
        asked = request.payload.data
        challenge = asked.get("code_challenge"), asked.get("code_challenge_method")
        codes[code] = Grant(request.client, request.user, request.scope, request.payload.redirect_uri, *challenge)

    def query_authorization_code(self, code, client):
        # A code works once: a second request with it finds no grant.
        grant = codes.pop(code, None)
        return grant if grant and grant.check_client(client) else None

    def delete_authorization_code(self, grant):
        pass

    def authenticate_user(self, grant):
        return grant.user


class RefreshTokens(RefreshTokenGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ["none"]
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token):
        return refresh_tokens.pop(refresh_token, None)

    def authenticate_user(self, grant):
        return grant.user

    def revoke_old_credential(self, grant):
        pass


class ProofKey(CodeChallenge):
    SUPPORTED_CODE_CHALLENGE_METHOD = METADATA["code_challenge_methods_supported"]


class Tokens(JWTBearerTokenGenerator):
    def get_jwks(self):
        return KEYS

    # Authlib does not read the `resource` that clients ask for (RFC 8707), and would put the client here.
    def get_audiences(self, client, user, scope):
        return RESOURCE


class Introspection(JWTIntrospectionEndpoint):
    CLIENT_AUTH_METHODS = ["client_secret_post"]

    def get_jwks(self):
        return KEYS

    def check_permission(self, token, client, request):
        return client.client_id == "gate" and request.form["token"] in access_tokens


class Registration(ClientRegistrationEndpoint):
    def authenticate_token(self, request):
        return True

    def get_server_metadata(self):
        return METADATA

    # Authlib gives everyone a secret, and rmcp uses what it is given, although it registered to use none.
    def generate_client_info(self, request):
        info = super().generate_client_info(request)
        del info["client_secret"]
        return info

    def save_client(self, info, metadata, request):
        method, grant_types = metadata["token_endpoint_auth_method"], metadata["grant_types"]
        client = Client(info["client_id"], method, metadata["redirect_uris"], grant_types)
        clients[client.client_id] = client
        return client


class Iss(IssuerParameter):
    def get_issuer(self):
        return ISSUER


app = Flask(__name__)
server = AuthorizationServer(app, clients.get, save_token)
tokens = Tokens(ISSUER, "ES256", lambda **_: secrets.token_urlsafe(), int(LIFETIME))
server.register_token_generator("default", tokens)
server.register_grant(Codes, [ProofKey()])
server.register_grant(RefreshTokens)
server.register_endpoint(Registration)
server.register_endpoint(Introspection(ISSUER))
server.register_extension(Iss())


@app.get("/.well-known/oauth-authorization-server")
def metadata():
    return METADATA


@app.get("/jwks")
def jwks():
    return KEYS.as_dict(private=False)


@app.route("/authorize", methods=["GET", "POST"])
def authorize():
    grant = server.get_consent_grant()
    if request.method == "GET":
        return '<form method="post" action=""><input name="user"></form>'
    return server.create_authorization_response(grant_user=User(request.form["user"]), grant=grant)


@app.post("/token")
def token():
    return server.create_token_response()


@app.post("/register")
def register():
    return server.create_endpoint_response("client_registration")


@app.post("/introspect")
def introspect():
    return server.create_endpoint_response("introspection")


@app.delete("/tokens")
def revoke():
    access_tokens.clear()
    refresh_tokens.clear()
    return {}


# There is no TLS between programs on one machine.
os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "true"
METADATA.validate()
app.run(port=int(PORT))
