//! What is tried as each caller, with those who may do it.

use serde_json::{Value, json};

use crate::pipeline::alias;
use crate::refused::World;
use crate::{
    HOST, METRICS, OPERATOR, PERSON, PIPELINE, PUBLISHER, REPORTER, RETENTION, ROLLOUT, SERVICE,
};

/// A call, and who may make it.
pub(crate) struct Attempt {
    pub(crate) service: &'static str,
    pub(crate) operation: &'static str,
    pub(crate) input: Value,
    pub(crate) may: &'static [&'static str],
}

pub(crate) fn attempts(world: &World) -> Vec<Attempt> {
    let mut all = on_hosts(world);
    all.extend(on_parameters_and_documents());
    all.extend(on_images());
    all.extend(on_pushes_and_pulls());
    all.extend(on_the_host_program());
    all.extend(on_secrets());
    all.extend(on_the_ledger(world));
    all.extend(on_queues_and_events(world));
    all.extend(on_traffic(world));
    all.extend(on_alarms());
    all.extend(on_the_rest(world));
    all
}

fn attempt(
    service: &'static str,
    operation: &'static str,
    input: Value,
    may: &'static [&'static str],
) -> Attempt {
    Attempt { service, operation, input, may }
}

const NOBODY: &[&str] = &[];

fn on_hosts(world: &World) -> Vec<Attempt> {
    let send = |document: &str, host: &str, may| {
        let input = match document {
            "Esclusa-Measure" => json!({ "DocumentName": document, "InstanceIds": [host] }),
            "AWS-RunShellScript" => json!({ "DocumentName": document, "InstanceIds": [host],
                "Parameters": { "commands": ["id"] } }),
            _ => json!({ "DocumentName": document, "InstanceIds": [host], "Parameters": {
                "Service": [SERVICE], "Environment": ["production"],
                "Project": ["acme--tickets"], "Repository": ["127.0.0.1:1/acme/tickets"],
                "IssuedAt": ["1790000000"], "Logs": ["no"] } }),
        };
        attempt("ssm", "send_command", input, may)
    };
    let by_tag = json!({ "DocumentName": "AWS-RunShellScript", "Parameters": { "commands": ["id"] },
        "Targets": [{ "Key": "tag:esclusa:managed", "Values": ["true"] }] });
    let (managed, foreign) = (world.managed.as_str(), world.foreign.as_str());
    vec![
        send("Esclusa-Inspect", managed, &[ROLLOUT]),
        send("Esclusa-Measure", managed, &[METRICS]),
        send("Esclusa-Inspect", foreign, NOBODY),
        send("Esclusa-Activate", foreign, NOBODY),
        send("Esclusa-Measure", foreign, NOBODY),
        send("AWS-RunShellScript", managed, NOBODY),
        send("AWS-RunShellScript", foreign, NOBODY),
        send("Acme-Backup", managed, NOBODY),
        attempt("ssm", "send_command", by_tag, NOBODY),
        attempt("ssm", "start_session", json!({ "Target": managed }), NOBODY),
        attempt("ssm", "cancel_command", json!({ "CommandId": "1".repeat(36) }), NOBODY),
        attempt("ssm", "describe_instance_information", json!({}), &[ROLLOUT]),
        attempt("ec2", "terminate_instances", json!({ "InstanceIds": [managed] }), NOBODY),
        attempt("ec2", "describe_instances", json!({}), NOBODY),
    ]
}

fn on_parameters_and_documents() -> Vec<Attempt> {
    let names = |names: &[&str]| json!({ "Names": names });
    let path = |path: &str| json!({ "Path": path, "Recursive": true });
    let document = json!({ "Name": "Esclusa-Activate", "Content": "{}" });
    let put = |name: &str, may| {
        let input = json!({ "Name": name, "Value": "#", "Type": "String", "Overwrite": true });
        attempt("ssm", "put_parameter", input, may)
    };
    let all = &[METRICS, OPERATOR, RETENTION, ROLLOUT];
    let who_lists = &[METRICS, RETENTION, ROLLOUT];
    vec![
        attempt("ssm", "get_parameters", names(&["/esclusa/defaults"]), all),
        attempt("ssm", "get_parameters", names(&["/acme/password"]), NOBODY),
        attempt("ssm", "get_parameters", names(&["/esclusa/defaults", "/acme/x"]), NOBODY),
        attempt("ssm", "get_parameters_by_path", path("/esclusa/services"), who_lists),
        attempt("ssm", "get_parameters_by_path", path("/"), NOBODY),
        attempt("ssm", "get_parameters_by_path", path("/esclusa"), NOBODY),
        put("/esclusa/services/acme/others", &[OPERATOR]),
        put("/esclusa/defaults", NOBODY),
        put("/acme/password", NOBODY),
        attempt("ssm", "delete_parameter", json!({ "Name": "/esclusa/defaults" }), NOBODY),
        attempt("ssm", "update_document", document.clone(), NOBODY),
        attempt("ssm", "create_document", document, NOBODY),
        attempt("ssm", "delete_document", json!({ "Name": "Esclusa-Inspect" }), NOBODY),
    ]
}

fn on_images() -> Vec<Attempt> {
    let nothing = format!("sha256:{}", "0".repeat(64));
    let of = |more: Value| {
        let mut input = json!({ "repositoryName": SERVICE });
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        input
    };
    let ids = of(json!({ "imageIds": [{ "imageDigest": nothing }] }));
    let id = of(json!({ "imageId": { "imageDigest": nothing } }));
    let all = &[METRICS, OPERATOR, RETENTION, ROLLOUT];
    vec![
        attempt("ecr", "describe_images", of(json!({})), all),
        attempt("ecr", "batch_delete_image", ids, &[RETENTION]),
        attempt("ecr", "start_image_scan", id, &[METRICS]),
        attempt("ecr", "put_image", of(json!({ "imageManifest": "{}" })), NOBODY),
        attempt("ecr", "initiate_layer_upload", of(json!({})), NOBODY),
        attempt(
            "ecr",
            "put_lifecycle_policy",
            of(json!({ "lifecyclePolicyText": " ".repeat(100) })),
            NOBODY,
        ),
        attempt("ecr", "set_repository_policy", of(json!({ "policyText": "{}" })), NOBODY),
        attempt("ecr", "delete_repository", of(json!({ "force": true })), NOBODY),
        attempt("ecr", "create_repository", json!({ "repositoryName": "acme/new" }), NOBODY),
        attempt(
            "ecr",
            "put_image_tag_mutability",
            of(json!({ "imageTagMutability": "MUTABLE" })),
            NOBODY,
        ),
        attempt("ecr", "get_authorization_token", json!({}), &[HOST, PIPELINE]),
    ]
}

/// The pipeline pushes to its own repository, and hosts pull from all.
fn on_pushes_and_pulls() -> Vec<Attempt> {
    let nothing = format!("sha256:{}", "0".repeat(64));
    let layer_of = |name: &str| json!({ "repositoryName": name, "layerDigest": nothing });
    let check = json!({ "repositoryName": SERVICE, "layerDigests": [nothing] });
    let get =
        |name: &str| json!({ "repositoryName": name, "imageIds": [{ "imageDigest": nothing }] });
    let put = json!({ "repositoryName": crate::PUSHED, "imageManifest": "{}" });
    let upload = json!({ "repositoryName": crate::PUSHED });
    let functions_and = &[HOST, METRICS, OPERATOR, RETENTION, ROLLOUT];
    let all = &[HOST, METRICS, OPERATOR, PIPELINE, RETENTION, ROLLOUT];
    vec![
        attempt("ecr", "batch_get_image", get(SERVICE), functions_and),
        attempt("ecr", "batch_get_image", get(crate::PUSHED), all),
        attempt("ecr", "get_download_url_for_layer", layer_of(SERVICE), &[HOST]),
        attempt("ecr", "get_download_url_for_layer", layer_of(crate::PUSHED), &[HOST, PIPELINE]),
        attempt("ecr", "batch_check_layer_availability", check, &[HOST]),
        attempt("ecr", "put_image", put, &[PIPELINE]),
        attempt("ecr", "initiate_layer_upload", upload, &[PIPELINE]),
        attempt("ecr", "batch_delete_image", get(crate::PUSHED), &[RETENTION]),
    ]
}

/// One function puts the program there, and nobody deletes it: not even retention.
fn on_the_host_program() -> Vec<Attempt> {
    let of = |more: Value| {
        let mut input = json!({ "repositoryName": "esclusa/host" });
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        input
    };
    let nothing = format!("sha256:{}", "0".repeat(64));
    let ids = of(json!({ "imageIds": [{ "imageDigest": nothing }] }));
    let part = of(json!({ "uploadId": "1", "partFirstByte": 0, "partLastByte": 0,
        "layerPartBlob": "eA==" }));
    let complete = of(json!({ "uploadId": "1", "layerDigests": [nothing] }));
    let readers = &[HOST, METRICS, OPERATOR, PUBLISHER, RETENTION, ROLLOUT];
    vec![
        attempt("ecr", "batch_get_image", ids.clone(), readers),
        attempt("ecr", "batch_delete_image", ids, NOBODY),
        attempt("ecr", "put_image", of(json!({ "imageManifest": "{}" })), &[PUBLISHER]),
        attempt("ecr", "initiate_layer_upload", of(json!({})), &[PUBLISHER]),
        attempt("ecr", "upload_layer_part", part, &[PUBLISHER]),
        attempt("ecr", "complete_layer_upload", complete, &[PUBLISHER]),
        attempt("ecr", "delete_repository", of(json!({ "force": true })), NOBODY),
    ]
}

fn on_secrets() -> Vec<Attempt> {
    let secret = json!({ "SecretId": "prod/tickets/db" });
    let value = json!({ "SecretId": "prod/tickets/db", "SecretString": "x" });
    let list = json!({ "SecretIdList": ["prod/tickets/db"] });
    let who_looks = &[METRICS, OPERATOR, ROLLOUT];
    vec![
        attempt("secretsmanager", "describe_secret", secret.clone(), who_looks),
        attempt("secretsmanager", "get_secret_value", secret.clone(), NOBODY),
        attempt("secretsmanager", "batch_get_secret_value", list, NOBODY),
        attempt("secretsmanager", "put_secret_value", value, NOBODY),
        attempt("secretsmanager", "delete_secret", secret, NOBODY),
        attempt("secretsmanager", "list_secrets", json!({}), NOBODY),
    ]
}

fn on_the_ledger(world: &World) -> Vec<Attempt> {
    let table = world.outputs["Ledger"].as_str();
    let item = |pk: &str| json!({ "pk": { "S": pk }, "sk": { "S": "tried" } });
    let put = |pk: &str| json!({ "TableName": table, "Item": item(pk) });
    let key = |pk: &str| json!({ "TableName": table, "Key": item(pk) });
    let by = "REMOVE tried";
    let update = |pk: &str| json!({ "TableName": table, "Key": item(pk), "UpdateExpression": by });
    let batch =
        |pk: &str| json!({ "RequestItems": { table: [{ "PutRequest": { "Item": item(pk) } }] } });
    let both = json!({ "TransactItems": [
        { "ConditionCheck": { "TableName": table, "Key": item("LANE#acme/tickets#production"),
            "ConditionExpression": "attribute_not_exists(tried)" } },
        { "Update": update("IMAGE#acme/tickets") },
    ] });
    let (lane, image, fact) = ("LANE#acme/tickets#production", "IMAGE#acme/tickets", "FACT#x");
    let who_writes_lanes = &[OPERATOR, ROLLOUT];
    vec![
        attempt("dynamodb", "get_item", key(lane), &[METRICS, OPERATOR, RETENTION, ROLLOUT]),
        attempt("dynamodb", "put_item", put(lane), who_writes_lanes),
        attempt("dynamodb", "put_item", put(image), who_writes_lanes),
        attempt("dynamodb", "put_item", put(fact), &[METRICS, OPERATOR, ROLLOUT]),
        attempt("dynamodb", "update_item", update(lane), who_writes_lanes),
        attempt("dynamodb", "transact_write_items", both, &[OPERATOR, RETENTION, ROLLOUT]),
        attempt("dynamodb", "batch_write_item", batch(image), &[RETENTION]),
        attempt("dynamodb", "batch_write_item", batch(lane), NOBODY),
        attempt("dynamodb", "delete_item", key(lane), NOBODY),
        attempt("dynamodb", "delete_item", key(image), NOBODY),
        attempt("dynamodb", "scan", json!({ "TableName": table }), NOBODY),
        attempt("dynamodb", "delete_table", json!({ "TableName": table }), NOBODY),
        attempt("dynamodb", "put_item", json!({ "TableName": "acme", "Item": item("x") }), NOBODY),
    ]
}

fn on_queues_and_events(world: &World) -> Vec<Attempt> {
    let send = |queue: &str| json!({ "QueueUrl": world.outputs[queue], "MessageBody": "{}" });
    let queue = |queue: &str| json!({ "QueueUrl": world.outputs[queue] });
    let event = |source: &str| {
        let entry = json!({ "Source": source, "DetailType": "Test", "Detail": "{}" });
        json!({ "Entries": [entry] })
    };
    let rule = json!({ "Name": "acme", "ScheduleExpression": "rate(1 minute)" });
    vec![
        attempt("sqs", "send_message", send("Lanes"), &[OPERATOR, ROLLOUT]),
        attempt("sqs", "send_message", send("Images"), &[RETENTION]),
        attempt("sqs", "send_message", send("Facts"), NOBODY),
        attempt("sqs", "send_message", send("LanesDead"), NOBODY),
        attempt("sqs", "receive_message", queue("LanesDead"), NOBODY),
        attempt("sqs", "purge_queue", queue("Lanes"), NOBODY),
        attempt("sqs", "delete_queue", queue("Lanes"), NOBODY),
        attempt("events", "put_events", event("esclusa"), &[METRICS, RETENTION, ROLLOUT]),
        attempt("events", "put_events", event("aws.ecr"), NOBODY),
        attempt("events", "put_events", event("acme"), NOBODY),
        attempt("events", "put_rule", rule, NOBODY),
        attempt("events", "list_rules", json!({}), NOBODY),
        attempt(
            "sns",
            "publish",
            json!({ "TopicArn": world.outputs["Notices"], "Message": "x" }),
            NOBODY,
        ),
    ]
}

fn on_traffic(world: &World) -> Vec<Attempt> {
    let group = json!({ "TargetGroupArn": world.group });
    let targets = json!({ "TargetGroupArn": world.group, "Targets": [{ "Id": world.managed }] });
    let elb = |operation, input, may| attempt("elbv2", operation, input, may);
    vec![
        elb("describe_target_groups", json!({}), &[ROLLOUT]),
        elb("describe_target_health", group.clone(), &[METRICS, ROLLOUT]),
        elb("deregister_targets", targets.clone(), &[ROLLOUT]),
        elb("register_targets", targets, &[ROLLOUT]),
        elb("modify_target_group", group.clone(), NOBODY),
        elb("delete_target_group", group, NOBODY),
        elb("describe_rules", json!({ "ListenerArn": "arn:aws:x" }), NOBODY),
        elb("modify_rule", json!({ "RuleArn": "arn:aws:x" }), NOBODY),
        elb("delete_load_balancer", json!({ "LoadBalancerArn": "arn:aws:x" }), NOBODY),
    ]
}

fn on_alarms() -> Vec<Attempt> {
    let put = |name: &str| {
        json!({ "AlarmName": name, "Namespace": "Acme", "MetricName": "x",
        "Statistic": "Sum", "Period": 60, "EvaluationPeriods": 1, "Threshold": 1.0,
        "ComparisonOperator": "GreaterThanThreshold",
        "Tags": [{ "Key": "esclusa", "Value": "tried" }] })
    };
    let number = |namespace: &str| {
        json!({ "Namespace": namespace,
        "MetricData": [{ "MetricName": "Tried", "Value": 1.0 }] })
    };
    let names = |name: &str| json!({ "AlarmNames": [name] });
    let state = json!({ "AlarmName": "acme", "StateValue": "OK", "StateReason": "x" });
    let cloudwatch = |operation, input, may| attempt("cloudwatch", operation, input, may);
    vec![
        cloudwatch("describe_alarms", json!({}), &[METRICS, ROLLOUT]),
        cloudwatch("put_metric_data", number("Esclusa"), &[METRICS]),
        cloudwatch("put_metric_data", number("Acme"), NOBODY),
        cloudwatch("put_metric_alarm", put("esclusa/acme/tickets/tried"), &[METRICS]),
        cloudwatch("put_metric_alarm", put("acme"), NOBODY),
        cloudwatch("delete_alarms", names("esclusa/acme/tickets/tried"), &[METRICS]),
        cloudwatch("delete_alarms", names("acme"), NOBODY),
        cloudwatch("set_alarm_state", state, NOBODY),
        cloudwatch("disable_alarm_actions", names("acme"), NOBODY),
        cloudwatch("delete_dashboards", json!({ "DashboardNames": ["acme"] }), NOBODY),
    ]
}

fn on_the_rest(world: &World) -> Vec<Attempt> {
    let role = json!({ "RoleName": "acme", "AssumeRolePolicyDocument": "{}" });
    let function = |name: &str| json!({ "FunctionName": format!("{}-{name}", world.stack) });
    let operator = format!("{}-operator", world.stack);
    let by_alias = |service: &str| json!({ "FunctionName": operator, "Qualifier": alias(service) });
    let by_name = json!({ "FunctionName": operator, "Name": alias(crate::PUSHED) });
    let assume =
        json!({ "RoleArn": "arn:aws:iam::000000000000:role/acme", "RoleSessionName": "tried" });
    let group = json!({ "logGroupName": "/aws/lambda/esclusa-rollout" });
    let stream = |group: &str| json!({ "logGroupName": group, "logStreamName": "x" });
    let log = world.outputs["ContainerLogs"].as_str();
    vec![
        attempt("lambda", "invoke", function("operator"), &[PERSON]),
        attempt("lambda", "invoke", by_alias(crate::PUSHED), &[PIPELINE]),
        attempt("lambda", "invoke", by_alias("acme/numbered"), NOBODY),
        attempt("lambda", "invoke", by_alias(SERVICE), NOBODY),
        attempt("lambda", "update_alias", by_name, NOBODY),
        attempt("lambda", "invoke", function("metrics"), &[REPORTER]),
        attempt("lambda", "invoke", function("rollout"), NOBODY),
        attempt("lambda", "invoke", function("retention"), NOBODY),
        attempt("lambda", "update_function_configuration", function("rollout"), NOBODY),
        attempt("lambda", "delete_function", function("rollout"), NOBODY),
        attempt("iam", "create_role", role, NOBODY),
        attempt("iam", "list_roles", json!({}), NOBODY),
        attempt("sts", "assume_role", assume, NOBODY),
        attempt("logs", "delete_log_group", group, NOBODY),
        attempt("logs", "create_log_stream", stream("/acme"), NOBODY),
        attempt("logs", "create_log_stream", stream(log), &[HOST]),
        attempt("s3", "list_buckets", json!({}), NOBODY),
        attempt("kms", "decrypt", json!({ "CiphertextBlob": "eA==" }), NOBODY),
        attempt("cloudformation", "delete_stack", json!({ "StackName": "esclusa" }), NOBODY),
        attempt(
            "ssm",
            "start_automation_execution",
            json!({ "DocumentName": "AWS-RestartEC2Instance", "Parameters": {
                "InstanceId": [world.managed] } }),
            NOBODY,
        ),
    ]
}
