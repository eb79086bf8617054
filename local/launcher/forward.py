"""Hands requests that MiniStack has authorised, but does not answer as AWS does, to our server.

What stands in for AWS is chosen here and nowhere else: a service that leaves this list is
MiniStack's own again.
"""

import asyncio
from urllib.parse import urlencode

import upstream

WHOLE_SERVICES = ("ecr", "elasticloadbalancing")

# Named by the connection, not by the request, or computed anew for the second hop.
NOT_FORWARDED = {"host", "connection", "content-length", "transfer-encoding", "expect"}
NOT_RETURNED = {"connection", "content-length", "transfer-encoding", "date", "server"}


def is_ours(service: str, headers: dict, body: bytes) -> bool:
    """Whether our server answers this call: all of ECR and ELBv2, and SSM but for parameters."""
    if service in WHOLE_SERVICES:
        return True
    if service != "ssm":
        return False
    action = headers.get("x-amz-target", "").rsplit(".", 1)[-1]
    if action in ("AddTagsToResource", "RemoveTagsFromResource", "ListTagsForResource"):
        return b'"Parameter"' not in body
    return "Parameter" not in action


async def pass_on(method, path, headers, body, query_params):
    query = urlencode(query_params, doseq=True)
    target = f"{path}?{query}" if query else path
    kept = {name: value for name, value in headers.items() if name.lower() not in NOT_FORWARDED}
    status, answered, content = await asyncio.to_thread(
        upstream.exchange, method, target, kept, body
    )
    returned = {name: value for name, value in answered.items() if name.lower() not in NOT_RETURNED}
    return status, returned, content


def install(app) -> None:
    for service in WHOLE_SERVICES:
        app.SERVICE_HANDLERS[service] = pass_on
    parameter_store = app.SERVICE_HANDLERS["ssm"]

    async def ssm(method, path, headers, body, query_params):
        handler = pass_on if is_ours("ssm", headers, body) else parameter_store
        return await handler(method, path, headers, body, query_params)

    app.SERVICE_HANDLERS["ssm"] = ssm
