"""The Python SDK. What the harness says to it, and what it answers, is described in ../client.mjs."""

import json
import sys
from contextlib import AsyncExitStack
from urllib.parse import parse_qsl, urlparse

import anyio
from mcp.client.auth import OAuthClientProvider
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientMetadata

REVISION, RESOURCE, CALLBACK = sys.argv[1:]


def say(message):
    print(json.dumps(message), flush=True)


async def heard():
    line = await anyio.to_thread.run_sync(sys.stdin.readline)
    return json.loads(line) if line else None


class Kept:
    """What the SDK wants kept."""

    tokens = None
    client_info = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client_info

    async def set_client_info(self, client_info):
        self.client_info = client_info


async def open_page(page):
    say({"open": page})


async def landed():
    answer = dict(parse_qsl(urlparse((await heard())["landed"]).query))
    if "error" in answer:
        raise RuntimeError(answer["error_description"])
    return AuthorizationCodeResult(**answer)


async def main():
    # With a revision in place of "auto", the client would not ask the server which ones it supports.
    mode = "legacy" if REVISION == "2025-11-25" else "auto"
    metadata = OAuthClientMetadata(client_name="interop", redirect_uris=[CALLBACK], token_endpoint_auth_method="none")
    auth = OAuthClientProvider(RESOURCE, metadata, Kept(), open_page, landed)
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(create_mcp_http_client(auth=auth))
        client = Client(streamable_http_client(RESOURCE, http_client=http), mode=mode)

        async def connect():
            await stack.enter_async_context(client)
            return client.protocol_version

        async def list():
            return [tool.name for tool in (await client.list_tools()).tools]

        async def call(tool, arguments):
            return (await client.call_tool(tool, arguments)).content[0].text

        commands = {"connect": connect, "list": list, "call": call, "leave": stack.aclose}
        while command := await heard():
            try:
                say({"done": await commands[command.pop("do")](**command)})
            except Exception as error:
                say({"failed": repr(error)})


try:
    anyio.run(main)
except Exception as error:
    # An error during a login ends the SDK's tasks, and this one with them.
    say({"failed": repr(error)})
