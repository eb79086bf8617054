"""Makes AWS calls as roles of the stack and says how each was answered.

Reads a request as JSON and writes one answer for each of its calls, in their order:
`{"error": code or null, "answer": …}`.
"""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, ParamValidationError

request = json.load(sys.stdin)


@cache
def client(caller: str, service: str):
    key, secret, token = request["callers"][caller]
    return boto3.client(
        service,
        endpoint_url=request["endpoint"],
        region_name=request["region"],
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        aws_session_token=token,
        config=Config(retries={"max_attempts": 1}, s3={"addressing_style": "path"}),
    )


def call(one: dict) -> dict:
    operation = getattr(client(one["caller"], one["service"]), one["operation"])
    try:
        answer = operation(**one["input"])
    except ClientError as error:
        return {"error": error.response["Error"]["Code"], "answer": None}
    except ParamValidationError as error:
        return {"error": str(error), "answer": None}
    answer.pop("ResponseMetadata", None)
    return {"error": None, "answer": json.loads(json.dumps(answer, default=plain))}


def plain(value):
    """What has no form in JSON: the answer of a function, an instant."""
    return value.read().decode() if hasattr(value, "read") else str(value)


# Clients are made one after the other, for that is not safe in threads.
for one in request["calls"]:
    client(one["caller"], one["service"])
with ThreadPoolExecutor(8) as pool:
    json.dump(list(pool.map(call, request["calls"])), sys.stdout)
