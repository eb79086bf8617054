//! Who may be the pipeline of a service: workflows on its branches, and nobody else.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use esclusa_local::environment::Environment;
use serde_json::{Value, json};

use crate::calls::Callers;
use crate::{PIPELINE, PUSHED, REPORTER, options};

const ISSUER: &str = "https://token.actions.githubusercontent.com";
const AUDIENCE: &str = "sts.amazonaws.com";
const MAIN: &str = "repo:acme/tickets:ref:refs/heads/main";
const WITH_TOKEN: &str = "assume_role_with_web_identity";

/// The roles that workflows assume.
pub(crate) struct Roles {
    /// The one that pushes.
    pipeline: String,
    /// The one that reports builds.
    reporter: String,
}

/// Deploys the template of a service, and returns the roles of its workflow.
pub(crate) async fn deployed(
    environment: &Environment,
    stack: &str,
    more: &[(&str, &str)],
) -> Roles {
    let parameters = [
        ("Service", PUSHED),
        ("Organisation", "acme"),
        ("Repository", "tickets"),
        ("EsclusaStack", environment.record().stack.as_str()),
    ];
    let parameters = [&parameters[..], more].concat();
    let root = options().root;
    let outputs = environment.deploy_beside(&root, stack, "template-service.yaml", &parameters);
    let outputs = outputs.await.unwrap();
    let [pipeline, reporter] = ["PipelineRole", "ReportRole"].map(|it| outputs[it].clone());
    Roles { pipeline, reporter }
}

/// Adds the workflow on the main branch as a caller, with each of its roles.
pub(crate) fn add(callers: &mut Callers<'_>, roles: &Roles) {
    for (name, role) in [(PIPELINE, &roles.pipeline), (REPORTER, &roles.reporter)] {
        callers.add(name, WITH_TOKEN, with_token(role, &claims(ISSUER, AUDIENCE, MAIN)));
    }
}

/// A workflow's subject, and whether it may push and report.
type Row = (&'static str, bool, bool);

const BY_NAMES: [Row; 12] = [
    (MAIN, true, true),
    ("repo:acme/tickets:ref:refs/heads/develop", true, true),
    ("repo:acme/tickets:ref:refs/heads/feature/seats", false, true),
    ("repo:acme/tickets:ref:refs/heads/main-2", false, true),
    ("repo:acme/tickets:ref:refs/heads/*", false, true),
    ("repo:acme/tickets:ref:refs/tags/main", false, false),
    ("repo:acme/tickets:pull_request", false, false),
    ("repo:acme/tickets:environment:production", false, false),
    ("repo:acme/tickets-2:ref:refs/heads/main", false, false),
    ("repo:evil/tickets:ref:refs/heads/main", false, false),
    ("repo:evil/repo:acme/tickets:ref:refs/heads/main", false, false),
    ("repo:acme@1/tickets@2:ref:refs/heads/main", false, false),
];

/// A repository that comes to bear the name later has other numbers.
const BY_NUMBERS: [Row; 6] = [
    ("repo:acme@1/tickets@2:ref:refs/heads/main", true, true),
    ("repo:acme@1/tickets@2:ref:refs/heads/develop", true, true),
    ("repo:acme@1/tickets@2:ref:refs/heads/feature/seats", false, true),
    ("repo:acme@1/tickets@3:ref:refs/heads/main", false, false),
    ("repo:acme@1/tickets@2:pull_request", false, false),
    (MAIN, false, false),
];

/// A repository whose releases go through environments of GitHub's.
const BY_ENVIRONMENTS: [Row; 6] = [
    ("repo:acme/tickets:environment:live", true, false),
    ("repo:acme/tickets:environment:try.out", true, false),
    ("repo:acme/tickets:environment:production", false, false),
    ("repo:acme/tickets:environment:live:ref:refs/heads/feature", false, false),
    ("repo:acme/tickets-2:environment:live", false, false),
    (MAIN, true, true),
];

pub(crate) async fn only_its_branches_may_be_it(
    environment: &Environment,
    callers: &Callers<'_>,
    roles: &Roles,
) {
    let ids = [("OrganisationId", "1"), ("RepositoryId", "2"), ("Service", "acme/numbered")];
    let numbered = deployed(environment, "numbered", &ids).await;
    let mut tries: Vec<(&str, Value, bool)> = Vec::new();
    let names = [("ProductionEnvironment", "live"), ("StagingEnvironment", "try.out")];
    let names = [&names[..], &[("Service", "acme/reviewed")]].concat();
    let reviewed = deployed(environment, "reviewed", &names).await;
    for (roles, rows) in
        [(roles, &BY_NAMES[..]), (&numbered, &BY_NUMBERS[..]), (&reviewed, &BY_ENVIRONMENTS[..])]
    {
        for (subject, pushes, reports) in rows {
            let claimed = claims(ISSUER, AUDIENCE, subject);
            tries.push((&roles.pipeline, claimed.clone(), *pushes));
            tries.push((&roles.reporter, claimed, *reports));
        }
    }
    for role in [&roles.pipeline, &roles.reporter] {
        tries.push((role, claims(ISSUER, "https://github.com/acme", MAIN), false));
        tries.push((role, claims("https://token.example.com", AUDIENCE, MAIN), false));
    }
    let call = |(role, claims, _): &(&str, Value, bool)| {
        ("root", "sts", WITH_TOKEN, with_token(role, claims))
    };
    let calls: Vec<_> = tries.iter().map(call).collect();
    for ((role, claims, may), answer) in tries.iter().zip(callers.call(&calls)) {
        assert_eq!(answer.is_denied(), !may, "{role} by {claims}: {answer:?}");
    }
}

/// The alias of the operator by which a service's pipeline asks.
pub(crate) fn alias(service: &str) -> String {
    format!("for-{}", service.replace('/', "__"))
}

/// What the operator answers to the pipeline: how its own service is, and nothing else.
pub(crate) fn asks_only_how_its_own_service_is(environment: &Environment, callers: &Callers<'_>) {
    let stack = &environment.record().stack;
    let tries = [
        ("status", PUSHED, "lane.unknown"),
        ("progress", PUSHED, "lane.unknown"),
        ("status", crate::SERVICE, "caller.refused"),
        ("hold", PUSHED, "caller.refused"),
        ("rollback", PUSHED, "caller.refused"),
        ("deploy", PUSHED, "caller.refused"),
    ];
    let call = |(action, service, _): &(&str, &str, &str)| {
        let version = ["progress", "deploy"].contains(action).then_some("v1.0.0");
        let question = json!({ "action": action, "service": service, "version": version,
            "environment": "production" });
        let input = json!({ "FunctionName": format!("{stack}-operator"),
            "Qualifier": alias(PUSHED),
            "Payload": question.to_string() });
        (PIPELINE, "lambda", "invoke", input)
    };
    let calls: Vec<_> = tries.iter().map(call).collect();
    for ((action, service, code), answer) in tries.iter().zip(callers.call(&calls)) {
        let answer = answer.value();
        let told: Value = serde_json::from_str(answer["Payload"].as_str().unwrap()).unwrap();
        assert_eq!(told["code"], json!(code), "{action} of {service}: {told}");
    }
}

fn claims(issuer: &str, audience: &str, subject: &str) -> Value {
    json!({ "iss": issuer, "aud": audience, "sub": subject })
}

/// What trades a token of GitHub's for the role's keys.
fn with_token(role: &str, claims: &Value) -> Value {
    let part = |part: &Value| BASE64_URL_SAFE_NO_PAD.encode(part.to_string());
    let token = format!("{}.{}.{}", part(&json!({ "alg": "RS256" })), part(claims), "c2lnbmVk");
    json!({ "RoleArn": role, "RoleSessionName": "test", "WebIdentityToken": token })
}
