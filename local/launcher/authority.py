"""Gives MiniStack's IAM evaluator the resources and condition keys that it does not know.

AWS authorises a call once for every resource that it names, each with its own condition keys, and
all must pass. The evaluator gets exactly those; no policy is widened and no call is let through
that AWS would refuse.
"""

import contextvars
import json
import re
from dataclasses import dataclass, field
from urllib.parse import parse_qs

import upstream


@dataclass
class Check:
    """One resource to authorise, with the condition keys that belong to it."""

    resource: str
    keys: dict = field(default_factory=dict)
    # Where it is not the action that the call is named after.
    action: str | None = None


# The checks of the request at hand, between MiniStack's look for a resource and its verdict.
_checks: contextvars.ContextVar = contextvars.ContextVar("esclusa_checks", default=None)
# The partition keys that each check of a DynamoDB request is about, in the order of the checks.
_leading: contextvars.ContextVar = contextvars.ContextVar("esclusa_leading", default=())

# AWS's newer protocol names the operation in the path, where MiniStack does not look for it.
_RPC = re.compile(r"^/service/[^/]+/operation/(?P<name>[A-Za-z]+)$")


def _payload(body: bytes, headers: dict) -> dict:
    try:
        if "cbor" in headers.get("content-type", ""):
            import cbor2

            return cbor2.loads(body)
        if body[:1] == b"{":
            return json.loads(body)
    except ValueError:
        return {}
    return {name: values[0] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}


def _instance_tags() -> dict:
    """Every host's tags, from the server that stands in for EC2 and SSM."""
    status, _, body = upstream.exchange("GET", "/_esclusa/hosts", {}, b"")
    if status != 200:
        return {}
    hosts = [entry["host"] for entry in json.loads(body)]
    return {host["instanceId"]: host.get("tags", {}) for host in hosts}


def _send_command(payload: dict, ssm: str, ec2: str) -> list:
    document = payload.get("DocumentName", "")
    name = document if document.startswith("arn:") else f"{ssm}:document/{document}"
    wanted = list(payload.get("InstanceIds") or [])
    tags = _instance_tags()
    for target in payload.get("Targets") or []:
        wanted += _targeted(target, tags)
    checks = [Check(name)]
    for instance in wanted:
        keys = {f"ssm:resourceTag/{key}": value for key, value in tags.get(instance, {}).items()}
        keys |= {f"aws:ResourceTag/{key}": value for key, value in tags.get(instance, {}).items()}
        checks.append(Check(f"{ec2}:instance/{instance}", keys))
    # A call that names no instance could reach any of them.
    return checks if wanted else [*checks, Check(f"{ec2}:instance/*")]


def _targeted(target: dict, tags: dict) -> list:
    key, values = target.get("Key", ""), target.get("Values") or []
    if key == "InstanceIds":
        return list(values)
    tag = key.removeprefix("tag:")
    return [instance for instance, own in tags.items() if own.get(tag) in values]


def _ssm(action: str, payload: dict, region: str, account: str) -> list | None:
    ssm = f"arn:aws:ssm:{region}:{account}"
    if action == "SendCommand":
        return _send_command(payload, ssm, f"arn:aws:ec2:{region}:{account}")
    if action == "GetParameters":
        return [Check(f"{ssm}:parameter/{name.lstrip('/')}") for name in payload.get("Names", [])]
    if action == "GetParametersByPath":
        return [Check(f"{ssm}:parameter/{payload.get('Path', '').strip('/')}")]
    if "Parameter" in action:
        return None
    if action.endswith(("Document", "DocumentDefaultVersion")) and payload.get("Name"):
        return [Check(f"{ssm}:document/{payload['Name']}")]
    return [Check("*")]


def _ecr(payload: dict, region: str, account: str) -> list | None:
    if payload.get("repositoryName"):
        return None
    base = f"arn:aws:ecr:{region}:{account}:repository"
    names = payload.get("repositoryNames")
    return [Check(f"{base}/{name}") for name in names] if names else None


def _put_events(payload: dict, region: str, account: str) -> list:
    """One check for each bus and source."""
    checks = []
    for entry in payload.get("Entries") or []:
        bus = entry.get("EventBusName") or "default"
        if not bus.startswith("arn:"):
            bus = f"arn:aws:events:{region}:{account}:event-bus/{bus}"
        check = Check(bus, {"events:source": entry.get("Source", "")})
        if check not in checks:
            checks.append(check)
    return checks


def _cloudwatch(action: str, payload: dict, params: dict, region: str, account: str) -> list:
    alarms = f"arn:aws:cloudwatch:{region}:{account}:alarm"
    if action == "PutMetricData":
        namespace = payload.get("Namespace") or (params.get("Namespace") or [""])[0]
        return [Check("*", {"cloudwatch:namespace": namespace})]
    if payload.get("ResourceARN"):
        return [Check(payload["ResourceARN"])]
    one = [payload["AlarmName"]] if payload.get("AlarmName") else []
    checks = [Check(f"{alarms}:{name}") for name in one or payload.get("AlarmNames") or []]
    if action.startswith("Put") and payload.get("Tags"):
        checks += [Check(check.resource, action="cloudwatch:TagResource") for check in checks]
    return checks or [Check(f"{alarms}:*" if action == "DescribeAlarms" else "*")]


def _partition_keys(action: str, payload: dict) -> list:
    """`dynamodb:LeadingKeys` of each check: of every item of a transaction, or of all at once.

    The ledger's partition key is `pk`. A query's is left out: no policy of ours asks for it.
    """

    def key(part: dict) -> list:
        value = (part.get("Key") or part.get("Item") or {}).get("pk", {}).get("S")
        return [] if value is None else [value]

    if action == "TransactWriteItems":
        return [key(part) for item in payload["TransactItems"] for part in item.values()]
    requests = [entry for table in (payload.get("RequestItems") or {}).values() for entry in table]
    if requests:
        return [[name for entry in requests for part in entry.values() for name in key(part)]]
    return [key(payload)]


def checks_for(service, headers, body, params, region, account, iam_action) -> list | None:
    """The checks that AWS makes for this call, or None where MiniStack's own are right."""
    action = iam_action.split(":", 1)[-1]
    payload = _payload(body, headers)
    if service == "ssm":
        return _ssm(action, payload, region, account)
    if service == "ecr":
        if action == "DescribeRepositories" and not payload.get("repositoryNames"):
            return [Check(f"arn:aws:ecr:{region}:{account}:repository/*")]
        return _ecr(payload, region, account)
    if service == "logs" and payload.get("logStreamName"):
        group, stream = payload.get("logGroupName", ""), payload["logStreamName"]
        return [Check(f"arn:aws:logs:{region}:{account}:log-group:{group}:log-stream:{stream}")]
    if service == "events" and action == "PutEvents":
        return _put_events(payload, region, account)
    if service == "elasticloadbalancing" and action.startswith("Describe"):
        return [Check("*")]
    if service == "monitoring":
        return _cloudwatch(action, payload, params, region, account)
    return None


def install() -> None:
    from ministack.core import iam_actions, iam_evaluator

    resource_of = iam_actions.extract_resource_arn
    action_of = iam_actions.extract_iam_action
    enforce = iam_evaluator.enforce

    def extract_iam_action(service, method, path, headers, body, query_params):
        named = _RPC.match(path)
        namespace = iam_actions.SERVICE_TO_IAM_NAMESPACE.get(service)
        if named and namespace:
            return f"{namespace}:{named['name']}"
        return action_of(service, method, path, headers, body, query_params)

    def extract_resource_arn(service, method, path, headers, body, params, region, account):
        action = extract_iam_action(service, method, path, headers, body, params) or ""
        checks = checks_for(service, headers, body, params, region, account, action)
        _checks.set((action, checks) if checks else None)
        if service == "dynamodb":
            keys = _partition_keys(action.split(":", 1)[-1], _payload(body, headers))
            _leading.set(iter(keys))
        if checks:
            return checks[0].resource
        resource = resource_of(service, method, path, headers, body, params, region, account)
        if service == "lambda" and params.get("Qualifier"):
            # An alias is a resource of its own.
            return f"{resource}:{params['Qualifier'][0]}"
        return resource

    def enforce_all(access_key, iam_action, service, region, resource_arn="*",
                    service_context=None):
        context = service_context or {}
        pending = _checks.get()
        if pending is None or pending[0] != iam_action:
            leading = next(iter(_leading.get()), []) if service == "dynamodb" else []
            if leading:
                context = {**context, "dynamodb:LeadingKeys": leading}
            return enforce(access_key, iam_action, service, region, resource_arn, context)
        for check in pending[1]:
            action = check.action or iam_action
            keys = {**context, **check.keys}
            denied = enforce(access_key, action, service, region, check.resource, keys)
            if denied:
                return denied
        return None

    iam_actions.extract_iam_action = extract_iam_action
    iam_actions.extract_resource_arn = extract_resource_arn
    iam_evaluator.enforce = enforce_all
