//! What is asked for: which part of which secret version goes where.

use std::fmt;

use crate::fault::Place;
use crate::pem::Pem;
use crate::template::Template;

/// The stage that Secrets Manager returns unless another one is asked for.
pub(crate) const CURRENT: &str = "AWSCURRENT";

/// The longest id that Secrets Manager takes.
const LONGEST_ID: usize = 2048;

/// The longest stage label that Secrets Manager takes.
const LONGEST_STAGE: usize = 256;

/// The name or ARN of a secret, in the form that Secrets Manager allows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SecretId(String);

impl SecretId {
    /// Reads a name or ARN.
    ///
    /// # Errors
    ///
    /// What is wrong, without the text: a person may have put the secret itself there.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let name = if text.starts_with("arn:") {
            let parts: Vec<&str> = text.splitn(7, ':').collect();
            let [_, partition, "secretsmanager", region, account, "secret", name] = *parts else {
                return Err("the ARN is not one of a secret; write \
                            `arn:aws:secretsmanager:<region>:<account>:secret:<name>`");
            };
            if partition.is_empty() || region.is_empty() {
                return Err("the ARN has no partition or no region");
            }
            if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err("the account in the ARN is not 12 digits");
            }
            name
        } else {
            text
        };
        if name.is_empty() {
            return Err("the secret's name is missing");
        }
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"/_+=.@-".contains(&byte);
        if !name.bytes().all(is_allowed) {
            return Err("the secret's name holds a character other than letters, digits and \
                        `/_+=.@-`");
        }
        if text.len() > LONGEST_ID {
            return Err("the secret's name is longer than 2048 characters");
        }
        Ok(Self(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The region of an ARN; a name belongs to the region of the caller.
    pub(crate) fn region(&self) -> Option<&str> {
        self.0.strip_prefix("arn:").and_then(|rest| rest.split(':').nth(2))
    }

    /// Whether an answer of Secrets Manager is about this secret. An ARN may lack the six random
    /// characters that Secrets Manager adds to the name.
    pub(crate) fn is_answered_by(&self, arn: &str, name: &str) -> bool {
        let suffix = arn.strip_prefix(self.as_str());
        let is_partial = |suffix: &str| suffix.len() == 7 && suffix.starts_with('-');
        self.0 == name
            || suffix.is_some_and(|suffix| {
                suffix.is_empty() || (self.region().is_some() && is_partial(suffix))
            })
    }
}

impl fmt::Display for SecretId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A version of a secret, as Secrets Manager is asked for it: once, however many requests name it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version {
    pub(crate) id: SecretId,
    pub(crate) stage: String,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.stage == CURRENT {
            return write!(f, "{}", self.id);
        }
        write!(f, "{}, stage {}", self.id, self.stage)
    }
}

/// Reads the label of a version stage.
///
/// # Errors
///
/// What is wrong, without the text.
pub(crate) fn parse_stage(text: &str) -> Result<String, &'static str> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"/_+=.@-".contains(&byte);
    if text.is_empty() || text.len() > LONGEST_STAGE || !text.bytes().all(is_allowed) {
        return Err("the stage is not a label such as `AWSPREVIOUS`");
    }
    Ok(text.to_owned())
}

/// The name of a file in the directory of secrets.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FileName(String);

impl FileName {
    /// Reads a name that stays in its directory. Names with a leading dot are our own.
    ///
    /// # Errors
    ///
    /// What is wrong, without the text.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        if text.is_empty() {
            return Err("the file's name is empty");
        }
        if text.contains('/') {
            return Err("the file's name holds a `/`; files go into one directory");
        }
        if text.starts_with('.') {
            return Err("the file's name begins with a `.`");
        }
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        if text.len() > 200 || !text.bytes().all(is_allowed) {
            return Err("the file's name is not 1 to 200 letters, digits and `_.-`");
        }
        Ok(Self(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Reads the name of an environment variable.
///
/// # Errors
///
/// What is wrong, without the text.
pub(crate) fn parse_variable(text: &str) -> Result<String, &'static str> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let begins_well = text.bytes().next().is_some_and(|byte| !byte.is_ascii_digit());
    if !begins_well || !text.bytes().all(is_allowed) {
        return Err("the variable's name is not letters, digits and `_`");
    }
    Ok(text.to_owned())
}

/// Which part of a secret is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// All of it, as it is.
    Whole,
    /// The value of one key of the JSON object that it holds.
    Key(String),
    /// A text that is put together from keys of the JSON object that it holds.
    Template(Template),
}

/// Where the value goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// A file in memory, and the variable that gets its path.
    File { name: FileName, variable: Option<String> },
    /// An environment variable of the application.
    Variable(String),
}

/// One value that the application is started with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// Where it was asked for.
    pub(crate) place: Place,
    pub(crate) version: Version,
    pub(crate) part: Part,
    pub(crate) target: Target,
    /// What the value must hold where it has to be PEM.
    pub(crate) pem: Option<Pem>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_names_or_arns() {
        let arn = "arn:aws:secretsmanager:eu-south-1:123456789012:secret:prod/db-AbCdEf";
        for (text, expected) in [
            ("prod/tickets/db", Ok(None)),
            ("a+b=c.d@e-f_g", Ok(None)),
            (arn, Ok(Some("eu-south-1"))),
            ("", Err("the secret's name is missing")),
            ("arn:aws:secretsmanager:eu-south-1:123456789012:secret:", Err("name is missing")),
            ("arn:aws:secretsmanager:eu-south-1:12:secret:x", Err("not 12 digits")),
            ("arn:aws:secretsmanager::123456789012:secret:x", Err("no region")),
            ("arn:aws:s3:::bucket", Err("not one of a secret")),
            ("prod tickets", Err("a character other than")),
            ("prod:tickets", Err("a character other than")),
            ("prod/dü", Err("a character other than")),
        ] {
            match (SecretId::parse(text), expected) {
                (Ok(id), Ok(region)) => assert_eq!(id.region(), region, "{text:?}"),
                (Err(error), Err(part)) => assert!(error.contains(part), "{text:?}: {error}"),
                (read, _) => panic!("reading {text:?}: {read:?}"),
            }
        }
    }

    #[test]
    fn an_answer_belongs_to_the_id_that_was_asked_for() {
        let arn = "arn:aws:secretsmanager:eu-south-1:123456789012:secret:db-AbCdEf";
        for (id, expected) in [
            ("db", true),
            (arn, true),
            ("arn:aws:secretsmanager:eu-south-1:123456789012:secret:db", true),
            ("arn:aws:secretsmanager:eu-south-1:123456789012:secret:d", false),
            ("db-AbCdEf", false),
            ("d", false),
        ] {
            let id = SecretId::parse(id).unwrap();
            assert_eq!(id.is_answered_by(arn, "db"), expected, "{id}");
        }
    }

    #[test]
    fn file_names_stay_in_their_directory() {
        for text in ["", "a/b", "/a", "..", ".", ".hidden", "a b", "a\0b", "é", &"a".repeat(201)] {
            assert!(FileName::parse(text).is_err(), "{text:?}");
        }
        for text in ["DB_PASSWORD", "tls.crt", "a..b", "-x"] {
            assert_eq!(FileName::parse(text).unwrap().as_str(), text);
        }
    }
}
