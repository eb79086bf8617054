//! Who may be the pipeline of a service: workflows on its branches, and nobody else.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use esclusa_local::environment::Environment;
use serde_json::{Value, json};

use crate::calls::Callers;
use crate::{PIPELINE, PUSHED, options};

const ISSUER: &str = "https://token.actions.githubusercontent.com";
const AUDIENCE: &str = "sts.amazonaws.com";
const MAIN: &str = "repo:acme/tickets:ref:refs/heads/main";
const WITH_TOKEN: &str = "assume_role_with_web_identity";

/// Deploys the template of a service, and returns the role of its pipeline.
pub(crate) async fn deployed(
    environment: &Environment,
    stack: &str,
    more: &[(&str, &str)],
) -> String {
    let parameters = [
        ("Service", PUSHED),
        ("Organisation", "acme"),
        ("Repository", "tickets"),
        ("EsclusaStack", environment.record().stack.as_str()),
    ];
    let parameters = [&parameters[..], more].concat();
    let root = options().root;
    let outputs = environment.deploy_beside(&root, stack, "template-service.yaml", &parameters);
    outputs.await.unwrap()["PipelineRole"].clone()
}

/// Adds the workflow on the main branch as a caller.
pub(crate) fn add(callers: &mut Callers<'_>, role: &str) {
    callers.add(PIPELINE, WITH_TOKEN, with_token(role, &claims(ISSUER, AUDIENCE, MAIN)));
}

pub(crate) async fn only_its_branches_may_be_it(
    environment: &Environment,
    callers: &Callers<'_>,
    role: &str,
) {
    let by_names = [
        (MAIN, true),
        ("repo:acme/tickets:ref:refs/heads/develop", true),
        ("repo:acme/tickets:ref:refs/heads/feature", false),
        ("repo:acme/tickets:ref:refs/heads/main-2", false),
        ("repo:acme/tickets:ref:refs/heads/*", false),
        ("repo:acme/tickets:ref:refs/tags/main", false),
        ("repo:acme/tickets:pull_request", false),
        ("repo:acme/tickets:environment:production", false),
        ("repo:acme/tickets-2:ref:refs/heads/main", false),
        ("repo:evil/tickets:ref:refs/heads/main", false),
        ("repo:acme@1/tickets@2:ref:refs/heads/main", false),
    ];
    let mut rows: Vec<(&str, Value, bool)> = Vec::new();
    rows.extend(by_names.map(|(subject, may)| (role, claims(ISSUER, AUDIENCE, subject), may)));
    rows.push((role, claims(ISSUER, "https://github.com/acme", MAIN), false));
    rows.push((role, claims("https://token.example.com", AUDIENCE, MAIN), false));
    // A repository that comes to bear the name later has other numbers.
    let ids = [("OrganisationId", "1"), ("RepositoryId", "2"), ("Service", "acme/numbered")];
    let numbered = deployed(environment, "numbered", &ids).await;
    let by_numbers = [
        ("repo:acme@1/tickets@2:ref:refs/heads/main", true),
        ("repo:acme@1/tickets@2:ref:refs/heads/develop", true),
        ("repo:acme@1/tickets@3:ref:refs/heads/main", false),
        ("repo:acme@1/tickets@2:pull_request", false),
        (MAIN, false),
    ];
    let claimed = |(subject, may)| (numbered.as_str(), claims(ISSUER, AUDIENCE, subject), may);
    rows.extend(by_numbers.map(claimed));
    let call = |(role, claims, _): &(&str, Value, bool)| {
        ("root", "sts", WITH_TOKEN, with_token(role, claims))
    };
    let calls: Vec<_> = rows.iter().map(call).collect();
    for ((role, claims, may), answer) in rows.iter().zip(callers.call(&calls)) {
        assert_eq!(answer.is_denied(), !may, "{role} by {claims}: {answer:?}");
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
