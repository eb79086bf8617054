//! The policies of the template, as MiniStack's IAM judges them for the functions' roles.

use std::collections::BTreeMap;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use aws_sdk_ssm::error::ProvideErrorMetadata;
use esclusa_local::environment::Environment;

use crate::{SERVICE, with_environment};

/// `ok` or the error's code.
fn verdict<T, E: ProvideErrorMetadata>(answer: Result<T, E>) -> String {
    answer.map_or_else(|error| error.code().unwrap_or("no code").to_owned(), |_| "ok".to_owned())
}

async fn send(ssm: &aws_sdk_ssm::Client, document: &str, host: &str) -> String {
    let parameters = [
        ("Service", SERVICE),
        ("Environment", "production"),
        ("Project", "acme--tickets"),
        ("Repository", "127.0.0.1:1/acme/tickets"),
        ("IssuedAt", "1790000000"),
        ("Logs", "no"),
    ];
    let parameters = parameters.map(|(name, value)| (name.to_owned(), vec![value.to_owned()]));
    let command = ssm.send_command().document_name(document).instance_ids(host);
    verdict(command.set_parameters(Some(parameters.into())).send().await)
}

async fn listed(ssm: &aws_sdk_ssm::Client, path: &str) -> String {
    verdict(ssm.get_parameters_by_path().path(path).recursive(true).send().await)
}

async fn told(bus: &aws_sdk_eventbridge::Client, source: &str) -> String {
    let entry = PutEventsRequestEntry::builder().source(source).detail_type("Test").detail("{}");
    verdict(bus.put_events().entries(entry.build()).send().await)
}

async fn unmanage(environment: &Environment, host: &str) {
    let url = format!("{}/_esclusa/hosts/{host}/tags", environment.record().control());
    let tags = BTreeMap::from([("esclusa:managed", "false")]);
    let answer = reqwest::Client::new().put(url).json(&tags).send().await.unwrap();
    assert!(answer.status().is_success(), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_may_do_its_work_and_nothing_more() {
    with_environment("policies", |environment| async move {
        let hosts = &environment.record().hosts;
        let (managed, foreign) = (hosts[0].instance_id.clone(), hosts[1].instance_id.clone());
        unmanage(&environment, &foreign).await;
        let rollout = environment.sdk_config_as("RolloutRole").await.unwrap();
        let operator = environment.sdk_config_as("OperatorRole").await.unwrap();
        let ssm = aws_sdk_ssm::Client::new(&rollout);
        let people = aws_sdk_ssm::Client::new(&operator);
        let ecr = aws_sdk_ecr::Client::new(&rollout);
        let catalog = aws_sdk_ecr::Client::new(&operator);
        let groups = aws_sdk_elasticloadbalancingv2::Client::new(&rollout);
        let bus = aws_sdk_eventbridge::Client::new(&rollout);
        let ours = "/esclusa/defaults";
        let denied = "AccessDeniedException";
        for (call, expected, seen) in [
            ("our document", "ok", send(&ssm, "Esclusa-Inspect", &managed).await),
            ("a foreign document", denied, send(&ssm, "AWS-RunShellScript", &managed).await),
            ("a host without our tag", denied, send(&ssm, "Esclusa-Inspect", &foreign).await),
            ("the operator to a host", denied, send(&people, "Esclusa-Inspect", &managed).await),
            ("our parameter", "ok", verdict(ssm.get_parameters().names(ours).send().await)),
            ("another's", denied, verdict(ssm.get_parameters().names("/other").send().await)),
            ("both", denied, verdict(ssm.get_parameters().names(ours).names("/o").send().await)),
            ("our services", "ok", listed(&ssm, "/esclusa/services").await),
            ("all that is stored", denied, listed(&ssm, "/").await),
            ("our event", "ok", told(&bus, "esclusa").await),
            ("another's event", denied, told(&bus, "acme").await),
            ("fleet", "ok", verdict(ssm.describe_instance_information().send().await)),
            ("images", "ok", verdict(ecr.describe_images().repository_name(SERVICE).send().await)),
            ("a login", denied, verdict(ecr.get_authorization_token().send().await)),
            (
                "a repository",
                "ok",
                verdict(catalog.describe_repositories().repository_names(SERVICE).send().await),
            ),
            ("groups", "ok", verdict(groups.describe_target_groups().send().await)),
            ("rules", "AccessDenied", verdict(groups.describe_rules().send().await)),
        ] {
            assert_eq!(seen, expected, "{call}");
        }
        only_retention_deletes(&environment, &managed).await;
        metrics_only_looks(&environment, &managed, &foreign).await;
        no_function_reads_a_secret(&environment).await;
    })
    .await;
}

/// Secrets are described, and never read. (MiniStack judges no call of CloudWatch's.)
async fn no_function_reads_a_secret(environment: &Environment) {
    const SECRET: &str = "prod/tickets/db";
    let secrets = async |role| {
        let config = environment.sdk_config_as(role).await.unwrap();
        aws_sdk_secretsmanager::Client::new(&config)
    };
    let root = aws_sdk_secretsmanager::Client::new(&environment.sdk_config());
    root.create_secret().name(SECRET).secret_string("hidden").send().await.unwrap();
    let denied = "AccessDeniedException";
    for (role, expected) in [
        ("RolloutRole", "ok"),
        ("OperatorRole", "ok"),
        ("MetricsRole", "ok"),
        ("RetentionRole", denied),
    ] {
        let client = secrets(role).await;
        let described = verdict(client.describe_secret().secret_id(SECRET).send().await);
        assert_eq!(described, expected, "{role} describes");
        let read = verdict(client.get_secret_value().secret_id(SECRET).send().await);
        assert_eq!(read, denied, "{role} reads");
    }
}

async fn asked(ssm: &aws_sdk_ssm::Client, host: &str) -> String {
    let command = ssm.send_command().document_name("Esclusa-Measure").instance_ids(host);
    verdict(command.send().await)
}

/// Whatever counts sends hosts nothing but the read-only question, and changes no image.
async fn metrics_only_looks(environment: &Environment, managed: &str, foreign: &str) {
    let denied = "AccessDeniedException";
    let config = environment.sdk_config_as("MetricsRole").await.unwrap();
    let ssm = aws_sdk_ssm::Client::new(&config);
    let ecr = aws_sdk_ecr::Client::new(&config);
    let groups = aws_sdk_elasticloadbalancingv2::Client::new(&config);
    let targets = groups.deregister_targets().target_group_arn("arn:aws:x").send();
    for (call, expected, seen) in [
        ("the question", "ok", asked(&ssm, managed).await),
        ("to a host without our tag", denied, asked(&ssm, foreign).await),
        ("an order", denied, send(&ssm, "Esclusa-Activate", managed).await),
        ("another look", denied, send(&ssm, "Esclusa-Inspect", managed).await),
        ("a shell", denied, send(&ssm, "AWS-RunShellScript", managed).await),
        ("it deletes", denied, deleted(&ecr).await),
        ("it reads", "ok", verdict(ecr.describe_images().repository_name(SERVICE).send().await)),
        ("it drains", "AccessDenied", verdict(targets.await)),
        ("our services", "ok", listed(&ssm, "/esclusa/services").await),
        ("all that is stored", denied, listed(&ssm, "/").await),
        ("our event", "ok", told(&aws_sdk_eventbridge::Client::new(&config), "esclusa").await),
        ("another's", denied, told(&aws_sdk_eventbridge::Client::new(&config), "acme").await),
    ] {
        assert_eq!(seen, expected, "{call}");
    }
}

/// No other role may delete an image, and retention may change nothing else.
async fn only_retention_deletes(environment: &Environment, host: &str) {
    let denied = "AccessDeniedException";
    let of = async |role| environment.sdk_config_as(role).await.unwrap();
    let (rollout, operator, retention) =
        (of("RolloutRole").await, of("OperatorRole").await, of("RetentionRole").await);
    let ssm = aws_sdk_ssm::Client::new(&retention);
    let ecr = aws_sdk_ecr::Client::new(&retention);
    for (call, expected, seen) in [
        ("rollout deletes", denied, deleted(&aws_sdk_ecr::Client::new(&rollout)).await),
        ("operator deletes", denied, deleted(&aws_sdk_ecr::Client::new(&operator)).await),
        ("retention deletes", "ok", deleted(&ecr).await),
        (
            "retention reads",
            "ok",
            verdict(ecr.describe_images().repository_name(SERVICE).send().await),
        ),
        ("retention to a host", denied, send(&ssm, "Esclusa-Inspect", host).await),
        ("our services", "ok", listed(&ssm, "/esclusa/services").await),
        // MiniStack judges no `dynamodb:LeadingKeys`, which keeps retention from lanes' items.
        ("an image's item", "ok", noted(environment, &retention).await),
        ("our event", "ok", told(&aws_sdk_eventbridge::Client::new(&retention), "esclusa").await),
    ] {
        assert_eq!(seen, expected, "{call}");
    }
}

/// Deletes an image that there is not, which ECR answers with a failure of that image alone.
async fn deleted(ecr: &aws_sdk_ecr::Client) -> String {
    let nothing = format!("sha256:{}", "0".repeat(64));
    let id = aws_sdk_ecr::types::ImageIdentifier::builder().image_digest(nothing).build();
    verdict(ecr.batch_delete_image().repository_name(SERVICE).image_ids(id).send().await)
}

/// Writes an item of the ledger.
async fn noted(environment: &Environment, role: &SdkConfig) -> String {
    let ledger = aws_sdk_dynamodb::Client::new(role);
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let update = ledger
        .update_item()
        .table_name(environment.record().outputs.get("Ledger").unwrap())
        .key("pk", text("IMAGE#test"))
        .key("sk", text("test"))
        .update_expression("SET tried = :yes")
        .expression_attribute_values(":yes", text("yes"));
    verdict(update.send().await)
}
