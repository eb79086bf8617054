//! What a refusal of Secrets Manager means for a secret, and what to do about it.

use super::retry::Trouble;
use crate::fault::{Failure, Kind};
use crate::request::{CURRENT, Version};

/// Codes that concern the caller's credentials, not one secret.
const CREDENTIALS: [&str; 4] = [
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidClientTokenId",
    "UnrecognizedClientException",
];

/// Codes of a clock that is wrong by minutes.
const CLOCK: [&str; 3] = ["InvalidSignatureException", "RequestExpired", "RequestTimeTooSkewed"];

/// Why a secret was not fetched, for somebody who is to mend it.
pub(super) fn explain_trouble(trouble: Trouble, version: &Version, region: &str) -> Failure {
    match trouble {
        Trouble::Passing(text) => Failure::new(
            Kind::Temporary,
            format!(
                "secret `{version}` was not fetched in time from Secrets Manager in {region}: \
                 {text}. Check the route to it; starting again may help"
            ),
        ),
        Trouble::Broken(text) => Failure::new(
            Kind::Configuration,
            format!("no call gets through to Secrets Manager in {region}: {text}"),
        ),
        Trouble::Refused { code, message } => explain_refusal(&code, &message, version, region),
    }
}

fn explain_refusal(code: &str, message: &str, version: &Version, region: &str) -> Failure {
    let Version { id, stage } = version;
    let wrong = |text: String| Failure::new(Kind::Configuration, text);
    let denied = |text: String| Failure::new(Kind::Denied, text);
    let said = format!("AWS says: {code} {message}");
    let concerns_key = message.contains("KMS") || message.contains("kms:");
    match code {
        "ResourceNotFoundException" if is_about_version(message) && stage != CURRENT => {
            wrong(format!(
                "secret `{id}` has no version with the stage `{stage}`; run `aws secretsmanager \
                 list-secret-version-ids --region {region} --secret-id {id}` to see which it has"
            ))
        }
        "ResourceNotFoundException" if is_about_version(message) => wrong(format!(
            "secret `{id}` has no value; run `aws secretsmanager put-secret-value --region \
             {region} --secret-id {id} --secret-string file://<path>`"
        )),
        "ResourceNotFoundException" => wrong(format!(
            "there is no secret `{id}` in {region}; create it, or correct its name or the region"
        )),
        "InvalidRequestException" if message.contains("delet") => wrong(format!(
            "secret `{id}` is scheduled for deletion; run `aws secretsmanager restore-secret \
             --region {region} --secret-id {id}` to keep it"
        )),
        "AccessDeniedException" | "AccessDenied" if concerns_key => denied(format!(
            "the role may not decrypt secret `{id}`; allow `kms:Decrypt` on the secret's key \
                 in the role's policy and the key's policy. {said}"
        )),
        "AccessDeniedException" | "AccessDenied" => denied(format!(
            "the role may not read secret `{id}`; allow `secretsmanager:GetSecretValue` on `{}`. \
             {said}",
            policy_resource(version, region)
        )),
        "DecryptionFailure" => wrong(format!(
            "the key of secret `{id}` cannot decrypt it; check that the key is enabled. {said}"
        )),
        _ if CLOCK.contains(&code) => {
            wrong(format!("this machine's clock may be wrong; check its time service. {said}"))
        }
        _ if CREDENTIALS.contains(&code) => {
            denied(format!("the credentials are not valid; give the container others. {said}"))
        }
        _ => wrong(format!("secret `{version}` cannot be fetched. {said}")),
    }
}

/// Whether the secret is there and a version of it is not.
fn is_about_version(message: &str) -> bool {
    message.contains("staging label")
        || message.contains("secret value")
        || message.contains("version")
}

/// The resource for an IAM policy. Secrets Manager adds six characters to each name.
fn policy_resource(version: &Version, region: &str) -> String {
    let id = version.id.as_str();
    if version.id.region().is_some() {
        return id.to_owned();
    }
    let partition = match region.split('-').next() {
        Some("cn") => "aws-cn",
        Some("us") if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    };
    format!("arn:{partition}:secretsmanager:{region}:*:secret:{id}-??????")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::SecretId;

    #[test]
    fn a_refusal_says_what_to_do() {
        let not_found = "Secrets Manager can't find the specified secret.";
        let no_stage = "Secrets Manager can't find the specified secret value for staging label: X";
        let denied = "User: arn:aws:sts::1:assumed-role/r/i is not authorized to perform: \
                      secretsmanager:GetSecretValue on resource: db";
        for (code, message, stage, kind, expected) in [
            ("ResourceNotFoundException", not_found, CURRENT, Kind::Configuration, {
                "there is no secret `db` in eu-south-1; create it"
            }),
            ("ResourceNotFoundException", no_stage, "X", Kind::Configuration, {
                "secret `db` has no version with the stage `X`; run `aws secretsmanager \
                 list-secret-version-ids --region eu-south-1 --secret-id db`"
            }),
            ("ResourceNotFoundException", no_stage, CURRENT, Kind::Configuration, {
                "secret `db` has no value; run `aws secretsmanager put-secret-value"
            }),
            (
                "InvalidRequestException",
                "You can't perform this operation on the secret because it was marked for \
                 deletion.",
                CURRENT,
                Kind::Configuration,
                "run `aws secretsmanager restore-secret --region eu-south-1 --secret-id db`",
            ),
            ("AccessDeniedException", denied, CURRENT, Kind::Denied, {
                "allow `secretsmanager:GetSecretValue` on \
                 `arn:aws:secretsmanager:eu-south-1:*:secret:db-??????`. AWS says: \
                 AccessDeniedException User: arn"
            }),
            (
                "AccessDeniedException",
                "Access to KMS is not allowed",
                CURRENT,
                Kind::Denied,
                "allow `kms:Decrypt` on the secret's key",
            ),
            (
                "DecryptionFailure",
                "Secrets Manager can't decrypt the protected secret text using the provided KMS \
                 key.",
                CURRENT,
                Kind::Configuration,
                "check that the key is enabled",
            ),
            ("ExpiredTokenException", "", CURRENT, Kind::Denied, "credentials are not valid"),
            ("RequestExpired", "", CURRENT, Kind::Configuration, "clock may be wrong"),
            ("Odd", "It is.", CURRENT, Kind::Configuration, "AWS says: Odd It is."),
        ] {
            let version = Version { id: SecretId::parse("db").unwrap(), stage: stage.to_owned() };
            let trouble = Trouble::Refused { code: code.to_owned(), message: message.to_owned() };
            let failure = explain_trouble(trouble, &version, "eu-south-1");
            assert!(failure.text.contains(expected), "{code}: {}", failure.text);
            assert_eq!(failure.kind, kind, "{code}");
        }
    }
}
