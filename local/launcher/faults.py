"""Kills a function's process at a chosen API call: the one fault that only a test can time.

`POST /_esclusa/kill {"service", "action", "nth", "when", "function"}` arms one kill. The process
that makes the nth matching call from then on gets SIGKILL, `before` the call has any effect or
`after` it had its effect and before its answer is written. `GET` tells what is armed and what was
killed, `DELETE` disarms. `GET /_esclusa/calls` counts every call by its caller, so that a test can
tell which calls a function makes at all.
"""

import asyncio
import collections
import contextvars
import json
import os
import signal
import socket
import struct
import time
from dataclasses import asdict, dataclass

# From linux/netlink.h and linux/sock_diag.h.
NETLINK_SOCK_DIAG = 4
SOCK_DIAG_BY_FAMILY = 20
NLM_F_REQUEST = 1

_peer: contextvars.ContextVar = contextvars.ContextVar("esclusa_peer", default=None)
_armed: list = []
_killed: list = []
_calls: collections.Counter = collections.Counter()


@dataclass
class Fault:
    """One kill that waits for its call."""

    service: str
    action: str
    nth: int = 1
    when: str = "before"
    function: str = ""


def _processes() -> list:
    """Every process there is. The list of one's own children misses some while others end."""
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]


def _socket_inode(client: tuple, server: tuple) -> int | None:
    """The inode of the client's end of a connection, as the kernel's socket diagnosis names it.

    The kernel is asked for this one connection: its table in /proc is read in parts, and lines are
    missed while connections come and go. The layouts are those of linux/inet_diag.h.
    """
    addresses = [socket.inet_aton(host).ljust(16, b"\0") for host, _ in (client, server)]
    ports = struct.pack(">HH", client[1], server[1])
    no_cookie = struct.pack("=III", 0, 0xFFFFFFFF, 0xFFFFFFFF)
    every_state = 0xFFFFFFFF
    wanted = struct.pack("=BBBBI", socket.AF_INET, socket.IPPROTO_TCP, 0, 0, every_state)
    wanted += ports + b"".join(addresses) + no_cookie
    request = struct.pack("=IHHII", 16 + len(wanted), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as kernel:
        kernel.send(request + wanted)
        answer = kernel.recv(4096)
    _, kind = struct.unpack_from("=IH", answer)
    if kind != SOCK_DIAG_BY_FAMILY:
        return None
    return struct.unpack_from("=I", answer, 16 + 68)[0]


def _function_of(pid: int) -> str:
    with open(f"/proc/{pid}/environ", "rb") as environ:
        for entry in environ.read().split(b"\0"):
            name, _, value = entry.partition(b"=")
            if name == b"AWS_LAMBDA_FUNCTION_NAME":
                return value.decode()
    return ""


def _caller() -> tuple[int, str] | None:
    """The process and name of the function that made the request at hand, if one did."""
    peer = _peer.get()
    inode = _socket_inode(*peer) if peer else None
    if not inode:
        return None
    wanted = f"socket:[{inode}]"
    for pid in _processes():
        try:
            if not os.readlink(f"/proc/{pid}/exe").endswith("/bootstrap"):
                continue
            descriptors = os.listdir(f"/proc/{pid}/fd")
            if any(_link(pid, descriptor) == wanted for descriptor in descriptors):
                return pid, _function_of(pid)
        except OSError:
            # The process ended while it was looked at.
            continue
    return None


def _link(pid: int, descriptor: str) -> str:
    try:
        return os.readlink(f"/proc/{pid}/fd/{descriptor}")
    except OSError:
        return ""


def _due(service: str, action: str) -> tuple[Fault, int, str] | None:
    """The fault that this call triggers, with the process to kill and its function."""
    for fault in list(_armed):
        if (fault.service, fault.action) != (service, action):
            continue
        caller = _caller()
        if caller is None or fault.function not in caller[1]:
            continue
        fault.nth -= 1
        if fault.nth <= 0:
            _armed.remove(fault)
            return fault, *caller
    return None


def _kill(fault: Fault, pid: int, function: str) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        # It has ended by itself meanwhile: the next call is as good.
        fault.nth = 1
        _armed.append(fault)
        return
    _killed.append({
        "service": fault.service,
        "action": fault.action,
        "when": fault.when,
        "function": function,
        "pid": pid,
        "at": time.time(),
    })


def _arm(request: dict) -> tuple[int, dict]:
    try:
        fault = Fault(**request)
    except TypeError as error:
        return 400, {"error": f"a kill has service, action, nth, when and function: {error}"}
    if fault.when not in ("before", "after") or fault.nth < 1:
        return 400, {"error": "`when` is `before` or `after`, and `nth` is at least 1"}
    _armed.append(fault)
    return 200, asdict(fault)


def _answer(method: str, path: str, body: bytes) -> tuple[int, object]:
    if path == "/_esclusa/calls":
        if method == "DELETE":
            _calls.clear()
        rows = [
            {"caller": caller, "service": service, "action": action, "count": count}
            for (caller, service, action), count in sorted(_calls.items())
        ]
        return 200, rows
    if path != "/_esclusa/kill":
        return 404, {"error": f"there is no {path}"}
    if method == "POST":
        try:
            return _arm(json.loads(body))
        except ValueError as error:
            return 400, {"error": f"the body is not JSON: {error}"}
    if method == "DELETE":
        _armed.clear()
        _killed.clear()
    return 200, {"armed": [asdict(fault) for fault in _armed], "killed": _killed}


async def _serve_admin(scope, receive, send) -> None:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    status, content = _answer(scope["method"], scope["path"], body)
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(content).encode()})


def install(app) -> None:
    from ministack.core import iam_actions, iam_evaluator
    from ministack.core.router import detect_service

    served = app.app
    dispatch = app._dispatch_service_request

    async def with_admin(scope, receive, send):
        if scope["type"] == "http":
            ends = (scope.get("client"), scope.get("server"))
            _peer.set(ends if all(ends) else None)
            if scope["path"].startswith("/_esclusa/"):
                await _serve_admin(scope, receive, send)
                return
        await served(scope, receive, send)

    async def with_faults(method, path, headers, body, query_params, request_id):
        params = app._routing_params(method, path, headers, body, query_params)
        service = detect_service(method, path, headers, params)
        full = iam_actions.extract_iam_action(service, method, path, headers, body, params) or ""
        service, _, action = full.partition(":")
        _calls[(iam_evaluator.request_caller_arn(headers, query_params), service, action)] += 1
        due = _due(service, action) if _armed else None
        if due and due[0].when == "before":
            _kill(*due)
            return 503, {"content-type": "text/plain"}, b"the caller was killed before this call"
        answer = await dispatch(method, path, headers, body, query_params, request_id)
        if due:
            _kill(*due)
            # The connection is closed by the kernel before anything could be written to it.
            await asyncio.sleep(0)
        return answer

    app.app = with_admin
    app._dispatch_service_request = with_faults
