//! Secrets, at the requests and answers of Secrets Manager.

use esclusa_core::secret::SecretState;
use esclusa_shell::ports::Secrets;
use serde_json::json;

use crate::aws::{aws, ok, refusal, said};

#[tokio::test]
async fn a_secret_is_described_and_never_read() {
    let usable = |version: &str| SecretState::Usable { version: version.to_owned() };
    for (answer, expected) in [
        (
            ok(&json!({ "VersionIdsToStages": { "v1": ["AWSPREVIOUS"], "v2": ["AWSCURRENT"] } })),
            usable("v2"),
        ),
        (ok(&json!({ "VersionIdsToStages": { "v3": ["CANARY", "AWSCURRENT"] } })), usable("v3")),
        (ok(&json!({ "VersionIdsToStages": { "v1": ["AWSPENDING"] } })), SecretState::Empty),
        (ok(&json!({ "VersionIdsToStages": {} })), SecretState::Empty),
        (ok(&json!({})), SecretState::Empty),
        (
            ok(&json!({
                "DeletedDate": 1_790_000_000, "VersionIdsToStages": { "v1": ["AWSCURRENT"] },
            })),
            SecretState::Deleting,
        ),
        (refusal("ResourceNotFoundException"), SecretState::Missing),
    ] {
        let told = answer.clone();
        let (aws, calls) = aws(move |_, _| answer.clone());
        let state = aws.secret(&"prod/tickets/db".parse().unwrap()).await.unwrap();
        assert_eq!(state, expected, "{told:?}");
        assert_eq!(calls.one("DescribeSecret"), json!({ "SecretId": "prod/tickets/db" }));
    }
}

#[tokio::test]
async fn a_refusal_is_an_error_and_says_of_what() {
    let (aws, _) = aws(|_, _| refusal("AccessDeniedException"));
    let error = aws.secret(&"prod/tickets/db".parse().unwrap()).await.unwrap_err();
    let text = said(&error);
    assert!(text.starts_with("cannot read how the secret `prod/tickets/db` stands"), "{text}");
    assert!(text.contains("AccessDeniedException"), "{text}");
}
