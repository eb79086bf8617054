"""Deploys `template.yaml` into MiniStack as `sam package` and `sam deploy` would.

The template is used as it is: only each `CodeUri` and `ContentUri` becomes the place of the
uploaded zip, which is what `sam package` does.
"""

import argparse
import hashlib
import io
import json
import re
import sys
import zipfile
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, WaiterError

BUCKET = "esclusa-artifacts"
CODE_URI = re.compile(r"^(?P<key> +CodeUri: )functions/(?P<name>[a-z_]+)$", re.MULTILINE)
CONTENT_URI = re.compile(r"^(?P<key> +ContentUri: )(?P<name>hosts)$", re.MULTILINE)
PROGRAM = "esclusa-host"
EPOCH = (1980, 1, 1, 0, 0, 0)


def zipped(files: dict) -> bytes:
    """The same bytes for the same programs, so that what did not change is not updated."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, path in sorted(files.items()):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.external_attr = 0o755 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, path.read_bytes())
    return buffer.getvalue()


def package(template: str, code: Path, s3) -> str:
    """Uploads every function and layer, and returns the template that points to the uploads."""

    def upload(match: re.Match, files: dict) -> str:
        name = match["name"]
        content = zipped(files)
        key = f"{name}-{hashlib.sha256(content).hexdigest()[:16]}.zip"
        s3.put_object(Bucket=BUCKET, Key=key, Body=content)
        return f"{match['key']}s3://{BUCKET}/{key}"

    def function(match: re.Match) -> str:
        bootstrap = code / match["name"] / "bootstrap"
        if not bootstrap.exists():
            raise SystemExit(f"deploy: {bootstrap} is missing: run `make build` first")
        return upload(match, {"bootstrap": bootstrap})

    def layer(match: re.Match) -> str:
        folder = code.parent / match["name"]
        files = {str(path.relative_to(folder)): path for path in folder.glob(f"*/{PROGRAM}")}
        if not files:
            raise SystemExit(f"deploy: {folder} holds no program: run `make programs` first")
        return upload(match, files)

    return CONTENT_URI.sub(layer, CODE_URI.sub(function, template))


def deploy(cloudformation, stack: str, url: str, parameters: list) -> None:
    """Creates or updates the stack and waits until that is done."""
    request = {
        "StackName": stack,
        "TemplateURL": url,
        "Parameters": parameters,
        "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
    }
    patience = {"Delay": 1, "MaxAttempts": 60}
    try:
        cloudformation.describe_stacks(StackName=stack)
        verb, waiter = cloudformation.update_stack, "stack_update_complete"
    except ClientError:
        verb, waiter = cloudformation.create_stack, "stack_create_complete"
    try:
        verb(**request)
        cloudformation.get_waiter(waiter).wait(StackName=stack, WaiterConfig=patience)
    except ClientError as error:
        if "No updates are to be performed" not in str(error):
            raise SystemExit(f"deploy: stack {stack} was refused: {error}") from error
    except WaiterError as error:
        why = reasons(cloudformation, stack)
        raise SystemExit(f"deploy: stack {stack} failed: {why}") from error


def reasons(cloudformation, stack: str) -> str:
    events = cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
    failed = [
        f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', '')}"
        for event in events
        if event["ResourceStatus"].endswith("FAILED")
    ]
    return "; ".join(failed) or "no resource says why"


def main(arguments: list) -> int:
    parser = argparse.ArgumentParser(prog="launcher deploy")
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--region", required=True)
    parser.add_argument("--stack", required=True)
    parser.add_argument("--template", required=True, type=Path)
    parser.add_argument("--code", required=True, type=Path)
    parser.add_argument("--parameter", action="append", default=[], metavar="NAME=VALUE")
    options = parser.parse_args(arguments)

    def client(service: str):
        return boto3.client(
            service,
            endpoint_url=options.endpoint,
            region_name=options.region,
            # MiniStack's root caller.
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}),
        )

    s3 = client("s3")
    location = {"LocationConstraint": options.region}
    try:
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration=location)
    except s3.exceptions.BucketAlreadyOwnedByYou:
        pass
    template = package(options.template.read_text(encoding="utf-8"), options.code, s3)
    s3.put_object(Bucket=BUCKET, Key="template.yaml", Body=template.encode())
    url = f"{options.endpoint}/{BUCKET}/template.yaml"
    parameters = [
        {"ParameterKey": name, "ParameterValue": value}
        for name, _, value in (entry.partition("=") for entry in options.parameter)
    ]
    cloudformation = client("cloudformation")
    deploy(cloudformation, options.stack, url, parameters)
    outputs = cloudformation.describe_stacks(StackName=options.stack)["Stacks"][0]["Outputs"]
    json.dump({output["OutputKey"]: output["OutputValue"] for output in outputs}, sys.stdout)
    return 0
