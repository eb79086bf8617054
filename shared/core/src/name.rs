//! Names of services, environments, lanes, tags and hosts.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Why a text is not a name of the wanted kind. The caller refuses the input and shows this.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {kind}: {rule}")]
pub struct NameError {
    text: String,
    kind: &'static str,
    rule: &'static str,
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $rule:literal, $valid:ident) => {
        $(#[$doc])*
        ///
        /// Cheap to clone: lanes are cloned at every step.
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as it is written.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                if $valid(text) {
                    Ok(Self(text.into()))
                } else {
                    Err(NameError { text: text.to_owned(), kind: $kind, rule: $rule })
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// One ECR repository = one Compose project = one directory on its hosts.
    Service,
    "the name of a service",
    "an ECR repository's name is 2 to 256 lowercase letters and digits, \
     with single `.`, `_`, `-` or `/` between them",
    is_repository
);
name!(
    /// `production`, `staging`, or another that a service configures.
    Environment,
    "the name of an environment",
    "at most 32 lowercase letters, digits and `-`, starting with a letter",
    is_environment
);
name!(
    /// A tag of an image.
    Tag,
    "a tag",
    "at most 128 letters, digits, `_`, `.` and `-`, not starting with `.` or `-`",
    is_tag
);
name!(
    /// An EC2 instance, or a managed one of another kind, as SSM names it.
    HostId,
    "the id of a host",
    "`i-` or `mi-` and 8 to 17 hexadecimal digits",
    is_host
);

fn is_repository(text: &str) -> bool {
    let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (2..=256).contains(&text.len())
        && text
            .split(['.', '_', '-', '/'])
            .all(|part| !part.is_empty() && part.bytes().all(alphanumeric))
}

fn is_environment(text: &str) -> bool {
    text.len() <= 32
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn is_tag(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && !text.starts_with(['.', '-'])
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

fn is_host(text: &str) -> bool {
    let digits = text.strip_prefix("mi-").or_else(|| text.strip_prefix("i-")).unwrap_or("");
    (8..=17).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit())
}

impl Service {
    /// The Compose project and the directory below `/srv` of this service on its hosts.
    ///
    /// Injective: ECR allows no two separators in a row, so the doubled ones cannot be met
    /// otherwise, and `acme/boletos` never shares a directory with `acme-boletos`.
    #[must_use]
    pub fn project(&self) -> String {
        self.0.replace('/', "--").replace('.', "__")
    }
}

/// One (service, environment) pair: the unit of serialisation, state, lease and history.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaneId {
    /// The service.
    pub service: Service,
    /// The environment.
    pub environment: Environment,
}

/// `<service>#<environment>`, as it stands in the ledger.
impl fmt::Display for LaneId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.service, self.environment)
    }
}

impl FromStr for LaneId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let Some((service, environment)) = text.split_once('#') else {
            let (kind, rule) = ("a lane", "it is written `<service>#<environment>`");
            return Err(NameError { text: text.to_owned(), kind, rule });
        };
        Ok(Self { service: service.parse()?, environment: environment.parse()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_follow_the_rules_of_their_owners() {
        for (text, service, environment, tag, host) in [
            ("boletos", true, true, true, false),
            ("acme/boletos", true, false, false, false),
            ("acme.io/bo-le_tos", true, false, false, false),
            ("acme--boletos", false, true, true, false),
            ("a//b", false, false, false, false),
            ("Boletos", false, false, true, false),
            ("v1.0.0", true, false, true, false),
            (".hidden", false, false, false, false),
            ("a", false, true, true, false),
            ("", false, false, false, false),
            ("i-0ab3c4d5e6f708192", true, true, true, true),
            ("mi-0ab3c4d5e6f708192", true, true, true, true),
            ("i-xyz", true, true, true, false),
        ] {
            let seen = (
                text.parse::<Service>().is_ok(),
                text.parse::<Environment>().is_ok(),
                text.parse::<Tag>().is_ok(),
                text.parse::<HostId>().is_ok(),
            );
            assert_eq!(seen, (service, environment, tag, host), "{text:?}");
        }
    }

    #[test]
    fn a_refused_name_says_what_it_should_be() {
        let error = "Boletos".parse::<Environment>().unwrap_err().to_string();
        assert_eq!(
            error,
            "`Boletos` is not the name of an environment: \
             at most 32 lowercase letters, digits and `-`, starting with a letter"
        );
    }

    proptest! {
        #[test]
        fn two_services_never_share_a_directory(
            a in "[a-c]{1,2}([._/-][a-c]{1,2}){0,3}",
            b in "[a-c]{1,2}([._/-][a-c]{1,2}){0,3}",
        ) {
            let project = |text: &str| text.parse::<Service>().ok().map(|it| it.project());
            if let (Some(left), Some(right)) = (project(&a), project(&b)) {
                prop_assert_eq!(left == right, a == b);
            }
        }
    }
}
