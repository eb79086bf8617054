"""Teaches MiniStack's CloudFormation the one resource type of our template that it lacks.

`AWS::SSM::Document` is made in our own SSM server, as the other document calls are.
"""

import json

import upstream


def _content(properties: dict) -> dict:
    content = properties["Content"]
    return {
        "Name": properties["Name"],
        "Content": content if isinstance(content, str) else json.dumps(content),
        "DocumentFormat": properties.get("DocumentFormat", "JSON"),
    }


def create(_logical_id, properties, _stack):
    request = {**_content(properties), "DocumentType": properties.get("DocumentType", "Command")}
    if properties.get("TargetType"):
        request["TargetType"] = properties["TargetType"]
    upstream.ssm("CreateDocument", request)
    return properties["Name"], {}


def update(physical_id, _old, properties, _stack, _logical_id=None):
    try:
        answer = upstream.ssm(
            "UpdateDocument", {**_content(properties), "DocumentVersion": "$LATEST"}
        )
    except ValueError as error:
        if "DuplicateDocumentContent" in str(error):
            return physical_id, {}
        raise
    version = answer["DocumentDescription"]["DocumentVersion"]
    upstream.ssm(
        "UpdateDocumentDefaultVersion", {"Name": physical_id, "DocumentVersion": str(version)}
    )
    return physical_id, {}


def delete(physical_id, _properties):
    upstream.ssm("DeleteDocument", {"Name": physical_id})


def install() -> None:
    from ministack.services.cloudformation import provisioners

    provisioners._RESOURCE_HANDLERS["AWS::SSM::Document"] = {
        "create": create,
        "update": update,
        "delete": delete,
    }
