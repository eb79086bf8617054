//! Roles of the environment's account, assumed as EC2 and Lambda assume them.

use super::calls;
use super::error::EnvironmentError;
use super::record::Record;
use crate::aws::Credentials;

/// The ARN of the stack's role with that logical name.
///
/// # Errors
///
/// When the stack has no such role.
pub(super) async fn find(record: &Record, logical: &str) -> Result<String, EnvironmentError> {
    let request = [("Action", "ListRoles"), ("Version", "2010-05-08")];
    let answer = calls::query(record, "iam", &request).await?;
    let wanted = format!(":role/{}-{logical}-", record.stack);
    let arns = answer.split("<Arn>").skip(1).filter_map(|rest| rest.split_once("</Arn>"));
    let mut found = arns.map(|(arn, _)| arn).filter(|arn| arn.contains(&wanted));
    found.next().map(str::to_owned).ok_or_else(|| EnvironmentError::Refused {
        what: format!("finding role {logical}"),
        answer: format!("stack {} has none of that name", record.stack),
    })
}

/// Keys of a role for a session of that name.
///
/// # Errors
///
/// When the role does not exist or may not be assumed.
pub(super) async fn keys(
    record: &Record,
    arn: &str,
    session: &str,
) -> Result<Credentials, EnvironmentError> {
    let request = [
        ("Action", "AssumeRole"),
        ("Version", "2011-06-15"),
        ("RoleArn", arn),
        ("RoleSessionName", session),
    ];
    let answer = calls::query(record, "sts", &request).await?;
    let text = |name| {
        element(&answer, name).ok_or_else(|| EnvironmentError::Refused {
            what: format!("assuming {arn}"),
            answer: format!("no {name} came back"),
        })
    };
    Ok(Credentials {
        access_key_id: text("AccessKeyId")?,
        secret_access_key: text("SecretAccessKey")?,
        session_token: text("SessionToken")?,
        expiration: text("Expiration")?,
    })
}

/// The text of the first element of that name.
fn element(xml: &str, name: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    Some(rest.split_once("</")?.0.to_owned())
}
