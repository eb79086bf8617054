//! What `template.yaml` promises: roles that may do what they must and no more, rules that pass on
//! what they should, documents that let nothing else in.
//!
//! Needs root and the built functions (`make build`).

mod attempts;
mod calls;
mod documents;
mod granted;
mod patterns;
mod pipeline;
mod program;
mod refused;

use esclusa_local::environment::{Environment, Options, Service, down};
use esclusa_local::places::{state_directory, tested_checkout};
use serde_json::json;

use calls::Callers;

const SERVICE: &str = "acme/tickets";

/// A service with a stack of its own, from `template-service.yaml`.
const PUSHED: &str = "acme/pushed";

const METRICS: &str = "MetricsRole";
const OPERATOR: &str = "OperatorRole";
const PUBLISHER: &str = "PublishProgramRole";
const RETENTION: &str = "RetentionRole";
const ROLLOUT: &str = "RolloutRole";

/// The functions, with the roles of the stack that they run as.
const FUNCTIONS: [(&str, &str); 5] = [
    ("metrics", METRICS),
    ("operator", OPERATOR),
    ("publish_program", PUBLISHER),
    ("retention", RETENTION),
    ("rollout", ROLLOUT),
];

const HOST: &str = "a host with HostPolicy";
const PERSON: &str = "a person with OperatorPolicy";
const PIPELINE: &str = "a service's PipelineRole";
const REPORTER: &str = "a service's ReportRole";

/// Everybody who calls AWS because of Esclusa.
const CALLERS: [&str; 9] =
    [METRICS, OPERATOR, PUBLISHER, RETENTION, ROLLOUT, HOST, PERSON, PIPELINE, REPORTER];

/// Where things are, for an environment of this test's own.
fn options() -> Options {
    let root = tested_checkout();
    Options::new(&root, &state_directory(&root, "template"))
}

/// One environment for all that needs the stack, deployed as it is and with IAM on: to start one
/// takes longer than most of the tests.
#[tokio::test(flavor = "multi_thread")]
async fn the_deployed_template_keeps_its_promises() {
    let services = vec![Service::parse(SERVICE).unwrap()];
    let options = Options { services, hosts: [1, 1], ..options() };
    down(&options.state).unwrap();
    let environment = Environment::up(options).await.unwrap();
    let tested = tokio::spawn({
        let environment = environment.clone();
        async move {
            let roles = pipeline::deployed(&environment, "pushed", &[]).await;
            let callers = everybody(&environment, &roles).await;
            program::is_in_the_registry(&environment, &callers);
            program::is_what_each_document_runs(&environment, &callers);
            refused::each_caller_is_refused_what_it_need_not_do(&environment, &callers).await;
            pipeline::only_its_branches_may_be_it(&environment, &callers, &roles).await;
            pipeline::asks_only_how_its_own_service_is(&environment, &callers);
            patterns::each_rule_passes_on_exactly_what_it_should(&callers);
            documents::nothing_but_values_gets_through(&callers);
        }
    });
    let ended = tested.await;
    environment.down().await.unwrap();
    ended.unwrap();
}

async fn everybody<'a>(environment: &'a Environment, roles: &pipeline::Roles) -> Callers<'a> {
    let mut callers = Callers::of(environment).await;
    for (_, role) in FUNCTIONS {
        callers.add_of_stack(role).await;
    }
    let account = &environment.record().account;
    let assume = |arn: &str| json!({ "RoleArn": arn, "RoleSessionName": "test" });
    callers.add(HOST, "assume_role", assume(&format!("arn:aws:iam::{account}:role/esclusa-host")));
    let trust = json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow",
        "Principal": { "AWS": format!("arn:aws:iam::{account}:root") },
        "Action": "sts:AssumeRole" }] });
    let person = json!({ "RoleName": "person", "AssumeRolePolicyDocument": trust.to_string() });
    let made = callers.root("iam", "create_role", person);
    let policy = &environment.record().outputs["OperatorPolicy"];
    let attach = json!({ "RoleName": "person", "PolicyArn": policy });
    callers.root("iam", "attach_role_policy", attach);
    callers.add(PERSON, "assume_role", assume(made["Role"]["Arn"].as_str().unwrap()));
    pipeline::add(&mut callers, roles);
    callers
}
