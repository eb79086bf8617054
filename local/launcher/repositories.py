"""Has CloudFormation make ECR repositories in our own ECR, which all ECR calls are handed to."""

import upstream


def _settings(properties: dict) -> dict:
    scanning = properties.get("ImageScanningConfiguration") or {}
    prefix = "ImageTagMutabilityExclusionFilter"
    filters = [
        {"filterType": one[f"{prefix}Type"], "filter": one[f"{prefix}Value"]}
        for one in properties.get(f"{prefix}s") or []
    ]
    return {
        "imageTagMutability": properties.get("ImageTagMutability", "MUTABLE"),
        **({"imageTagMutabilityExclusionFilters": filters} if filters else {}),
        "imageScanningConfiguration": {
            "scanOnPush": str(scanning.get("ScanOnPush", False)).lower() == "true"
        },
    }


def _attributes(repository: dict) -> dict:
    return {"Arn": repository["repositoryArn"], "RepositoryUri": repository["repositoryUri"]}


def create(_logical_id, properties, _stack):
    name = properties["RepositoryName"]
    answer = upstream.ecr("CreateRepository", {"repositoryName": name, **_settings(properties)})
    return name, _attributes(answer["repository"])


def update(physical_id, _old, properties, _stack, _logical_id=None):
    name = {"repositoryName": physical_id}
    mutability = _settings(properties)
    scanning = {"imageScanningConfiguration": mutability.pop("imageScanningConfiguration")}
    upstream.ecr("PutImageTagMutability", {**name, **mutability})
    upstream.ecr("PutImageScanningConfiguration", {**name, **scanning})
    described = upstream.ecr("DescribeRepositories", {"repositoryNames": [physical_id]})
    return physical_id, _attributes(described["repositories"][0])


def delete(physical_id, properties):
    force = str(properties.get("EmptyOnDelete", False)).lower() == "true"
    upstream.ecr("DeleteRepository", {"repositoryName": physical_id, "force": force})


def install() -> None:
    from ministack.services.cloudformation import provisioners

    provisioners._RESOURCE_HANDLERS["AWS::ECR::Repository"] = {
        "create": create,
        "update": update,
        "delete": delete,
    }
