"""Keys on their way through the middleware: whose request it is, and whose trace may go on."""

import json

import pytest

from server.gateway.api_keys import Tenants
from tests.unit.asgi import KEY, KEY_DIGEST, Client, Inner, Install, assert_our_headers, end
from tests.unit.helpers import TRACE_ID


async def test_of_two_authorizations_the_first_counts_as_for_vllm(install: Install) -> None:
    install(Tenants({KEY_DIGEST: "acme"}))
    good, bad = ("authorization", f"Bearer {KEY}"), ("authorization", "Bearer wrong")
    for pairs, status in (((good, bad), 200), ((bad, good), 401)):
        client = Client(Inner())
        await client.call(again=pairs)
        assert client.status == status


async def test_a_traceparent_without_a_known_key_is_not_believed(install: Install) -> None:
    records = install(Tenants({KEY_DIGEST: "acme"}))
    client = Client(Inner())
    await client.call(headers={"traceparent": f"00-{TRACE_ID}-00f067aa0ba902b7-01"})
    assert records[0].trace_id != TRACE_ID
    assert_our_headers(client, records[0])


async def test_unknown_keys_get_401_and_known_ones_their_tenant(install: Install) -> None:
    records, inner = install(Tenants({KEY_DIGEST: "acme"})), Inner()
    refused = Client(inner)
    await refused.call(headers={"authorization": "Bearer wrong"})
    assert (refused.status, refused.error["type"]) == (401, "auth")
    assert refused.headers["www-authenticate"] == "Bearer"
    assert "wrong" not in refused.error["message"]
    assert_our_headers(refused, records[0])
    assert inner.scopes == []
    served = Client(inner)
    await served.call(headers={"authorization": f"Bearer {KEY}"})
    assert [(r.tenant, *end(r)) for r in records] == [
        ("other", "client_error", "auth", 401),
        ("acme", "ok", "complete", 200),
    ]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"x-api-key": KEY}, 200),
        ({"x-api-key": "wrong"}, 401),
        ({"x-api-key": ""}, 401),
        ({"x-api-key": KEY, "authorization": f"Bearer {KEY}"}, 200),
        ({"x-api-key": KEY, "authorization": "Bearer wrong"}, 401),
    ],
)
async def test_a_key_may_come_as_anthropics_clients_send_it(
    install: Install, headers: dict[str, str], status: int
) -> None:
    records = install(Tenants({KEY_DIGEST: "acme"}))
    client = Client(Inner())
    await client.call(path="/v1/messages", headers=headers)
    assert client.status == status
    assert records[0].tenant == ("acme" if status == 200 else "other")
    assert status == 200 or json.loads(client.body)["type"] == "error"
