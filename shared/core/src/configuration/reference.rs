//! Names of things in AWS that a service refers to.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::value::ValueError;

/// The ARN of a load balancer's target group of type `instance`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetGroup(Arc<str>);

/// The name of a CloudWatch alarm.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AlarmName(String);

/// The name of a secret in Secrets Manager; never its value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretName(String);

/// The name under which a Compose file that travels with an image may ask for something beyond its
/// own containers: a key, or a key and what it is given.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Permission(String);

impl TargetGroup {
    /// The ARN as AWS prints it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl AlarmName {
    /// The name as AWS prints it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl SecretName {
    /// The name as AWS prints it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Permission {
    /// The name as a host's refusal prints it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether `text` is between `least` and `most` bytes, each of them `allowed`.
fn made_of(text: &str, least: usize, most: usize, allowed: impl Fn(u8) -> bool) -> bool {
    (least..=most).contains(&text.len()) && text.bytes().all(allowed)
}

fn is_partition(text: &str) -> bool {
    text.split('-').next() == Some("aws")
        && text.split('-').all(|part| made_of(part, 1, 8, |byte| byte.is_ascii_lowercase()))
}

fn is_region(text: &str) -> bool {
    made_of(text, 3, 32, |b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn is_target_group(resource: &str) -> bool {
    let Some((name, id)) =
        resource.strip_prefix("targetgroup/").and_then(|rest| rest.split_once('/'))
    else {
        return false;
    };
    made_of(name, 1, 32, |byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && made_of(id, 16, 16, |byte| byte.is_ascii_hexdigit())
}

impl FromStr for Permission {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:/=@-".contains(&byte);
        if made_of(text, 1, 120, allowed) && text.starts_with(|it: char| it.is_ascii_lowercase()) {
            Ok(Self(text.to_owned()))
        } else {
            let rule = "a key, or a key and its value such as `cap_add=NET_ADMIN`, of at most 120 \
                        letters, digits and `_.:/=@-`, as the host's refusal prints it";
            Err(ValueError::new(text, "something that a Compose file asks for", rule))
        }
    }
}

impl FromStr for TargetGroup {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let parts: Vec<&str> = text.split(':').collect();
        let valid = match parts.as_slice() {
            ["arn", partition, "elasticloadbalancing", region, account, resource] => {
                is_partition(partition)
                    && is_region(region)
                    && made_of(account, 12, 12, |byte| byte.is_ascii_digit())
                    && is_target_group(resource)
            }
            _ => false,
        };
        if valid {
            Ok(Self(text.into()))
        } else {
            let rule = "`arn:<partition>:elasticloadbalancing:<region>:<account>:targetgroup/\
                        <name>/<16 hexadecimal digits>`";
            Err(ValueError::new(text, "the ARN of a target group", rule))
        }
    }
}

impl FromStr for AlarmName {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let characters = text.chars().count();
        if text.starts_with("arn:") {
            let rule = "write its name, which is the end of its ARN";
            Err(ValueError::new(text, "the name of an alarm", rule))
        } else if (1..=255).contains(&characters) && !text.contains(char::is_control) {
            Ok(Self(text.to_owned()))
        } else {
            let rule = "1 to 255 printable characters";
            Err(ValueError::new(text, "the name of an alarm", rule))
        }
    }
}

/// The refused text is not repeated: it may be a value that was pasted where a name belongs.
impl FromStr for SecretName {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"/_+=.@-".contains(&byte);
        if made_of(text, 1, 512, allowed) {
            Ok(Self(text.to_owned()))
        } else {
            let rule = "at most 512 letters, digits and `/_+=.@-`, such as `prod/tickets/db`; \
                        neither an ARN nor a value";
            Err(ValueError::unseen("the name of a secret", rule))
        }
    }
}

impl fmt::Display for TargetGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for AlarmName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_group_is_named_by_its_arn() {
        let rest = "elasticloadbalancing:eu-west-1:123456789012:targetgroup/web-1/0123456789abcdef";
        for partition in ["aws", "aws-cn", "aws-us-gov", "aws-iso-b", "aws-eusc"] {
            let arn = format!("arn:{partition}:{rest}");
            assert_eq!(arn.parse::<TargetGroup>().unwrap().as_str(), arn);
        }
        for text in [
            format!("arn:azure:{rest}"),
            format!("arn:aws-:{rest}"),
            format!("arn:aws:{rest}:x"),
            format!("arn:aws:{rest}0"),
            format!("arn:aws:{}", rest.replace("123456789012", "12345678901")),
            format!("arn:aws:{}", rest.replace("eu-west-1", "")),
            format!("arn:aws:{}", rest.replace("targetgroup/web-1", "targetgroup")),
            format!("arn:aws:{}", rest.replace("web-1", "web_1")),
            format!("arn:aws:{}", rest.replace("targetgroup", "loadbalancer/app")),
            format!("arn:aws:{}", rest.replace("elasticloadbalancing", "ecs")),
            "web-1".to_owned(),
        ] {
            let error = text.parse::<TargetGroup>().unwrap_err().to_string();
            let rule = "`arn:<partition>:elasticloadbalancing:<region>:<account>:targetgroup/\
                        <name>/<16 hexadecimal digits>`";
            let expected = format!("is not the ARN of a target group: {rule}");
            assert!(error.ends_with(&expected), "{error}");
        }
    }

    #[test]
    fn an_alarm_is_named_by_its_name() {
        let longest = "é".repeat(255);
        let longer = format!("{longest}é");
        for (text, expected) in [
            ("tickets 5xx (EU): hot", None),
            (&longest, None),
            (&longer, Some("1 to 255 printable characters")),
            ("", Some("1 to 255 printable characters")),
            ("a\tb", Some("1 to 255 printable characters")),
            (
                "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:x",
                Some("write its name, which is the end of its ARN"),
            ),
        ] {
            let error = text.parse::<AlarmName>().err().map(|error| error.to_string());
            let rule = error.as_deref().and_then(|it| it.split("the name of an alarm: ").nth(1));
            assert_eq!(rule, expected, "{text:?}");
        }
    }

    #[test]
    fn a_refused_secret_is_not_repeated() {
        for text in ["prod/tickets/db", "a", "A_b+c=d.e@f-g"] {
            assert_eq!(text.parse::<SecretName>().unwrap().as_str(), text);
        }
        for text in ["", "hunter 2", "hunter2!", "arn:aws:secretsmanager:x", &"a".repeat(513)] {
            assert_eq!(
                text.parse::<SecretName>().unwrap_err().to_string(),
                "this is not the name of a secret: at most 512 letters, digits and `/_+=.@-`, \
                 such as `prod/tickets/db`; neither an ARN nor a value"
            );
        }
    }
}
