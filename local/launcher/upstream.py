"""One HTTP exchange with Esclusa's own server, which listens on loopback."""

import http.client
import json
import os

# Set by `esclusa-local`: where the ECR, SSM and ELBv2 server listens.
PORT = int(os.environ.get("ESCLUSA_CONTROL_PORT", "0"))

# A SendCommand or a health description answers at once; this only bounds a server that hangs.
SECONDS = 30


def exchange(method: str, target: str, headers: dict, body: bytes):
    """Returns (status, headers, body)."""
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=SECONDS)
    try:
        connection.request(method, target, body=body, headers=headers)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def call(target: str, payload: dict) -> dict:
    """Makes one call of our server, `<service>.<operation>`, and returns its answer."""
    headers = {"content-type": "application/x-amz-json-1.1", "x-amz-target": target}
    status, _, body = exchange("POST", "/", headers, json.dumps(payload).encode())
    answer = json.loads(body or b"{}")
    if status >= 300:
        kind = str(answer.get("__type", status)).rsplit("#", 1)[-1]
        action = target.rsplit(".", 1)[-1]
        raise ValueError(f"{action}: {kind}: {answer.get('message', answer.get('Message', ''))}")
    return answer


def ssm(action: str, payload: dict) -> dict:
    return call(f"AmazonSSM.{action}", payload)


def ecr(action: str, payload: dict) -> dict:
    return call(f"AmazonEC2ContainerRegistry_V20150921.{action}", payload)
