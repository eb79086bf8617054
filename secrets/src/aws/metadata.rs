//! Why instance metadata gave no region or credentials.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::fault::{Failure, Kind};

/// Where metadata is, unless the variable of the SDK says otherwise.
const ADDRESS: &str = "169.254.169.254";
const ENDPOINT: &str = "AWS_EC2_METADATA_SERVICE_ENDPOINT";
const DISABLED: &str = "AWS_EC2_METADATA_DISABLED";

/// Metadata answers within milliseconds, or never.
const PATIENCE: Duration = Duration::from_secs(1);

/// The most that is read of an answer.
const LONGEST: u64 = 4096;

/// Has the instance's id on instances of the Nitro system, also for containers.
const ASSET_TAG: &str = "/sys/devices/virtual/dmi/id/board_asset_tag";

/// What metadata does when it is asked for a token and then for the role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// A variable tells the SDK not to ask.
    SwitchedOff,
    /// Nothing accepts connections there.
    Absent,
    /// Connections are accepted, and the answer is lost on its way.
    Silent,
    /// It answers the question for a token with this status.
    Refusing(u16),
    /// It answers, and the instance has no role.
    NoRole,
    /// It answers, and the instance has a role.
    Working,
}

/// Says why there is no `what` (the region or credentials), and what to do. A cause that the SDK
/// gave is the answer unless instance metadata itself is what fails.
pub(super) async fn explain_missing(what: &str, cause: Option<String>) -> Failure {
    let instance = std::fs::read_to_string(ASSET_TAG).unwrap_or_default();
    let instance = instance.trim();
    let instance = if instance.starts_with("i-") { instance } else { "<instance>" };
    let state = examine_metadata().await;
    let is_elsewhere = matches!(state, State::Absent | State::SwitchedOff | State::Working);
    match cause {
        Some(cause) if is_elsewhere => Failure::new(Kind::Denied, format!("no {what}: {cause}")),
        _ => explain_state(what, state, instance),
    }
}

async fn examine_metadata() -> State {
    if std::env::var(DISABLED).is_ok_and(|it| it.eq_ignore_ascii_case("true")) {
        return State::SwitchedOff;
    }
    let endpoint = std::env::var(ENDPOINT).unwrap_or_default();
    let host = endpoint.strip_prefix("http://").unwrap_or(&endpoint).trim_end_matches('/');
    let host = if host.is_empty() { ADDRESS } else { host };
    let asked = "PUT /latest/api/token HTTP/1.0\r\n\
                 X-aws-ec2-metadata-token-ttl-seconds: 60\r\nContent-Length: 0\r\n\r\n";
    let token = match ask_metadata(host, asked).await {
        Ok((200, token)) => token,
        Ok((status, _)) => return State::Refusing(status),
        Err(state) => return state,
    };
    let role = "GET /latest/meta-data/iam/security-credentials/ HTTP/1.0\r\n";
    match ask_metadata(host, &format!("{role}X-aws-ec2-metadata-token: {token}\r\n\r\n")).await {
        Ok((404, _)) => State::NoRole,
        Ok(_) => State::Working,
        Err(state) => state,
    }
}

/// The status and body of an answer.
async fn ask_metadata(host: &str, request: &str) -> Result<(u16, String), State> {
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|it| it.is_ascii_digit());
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| is_port(port));
    let address = if has_port { host.to_owned() } else { format!("{host}:80") };
    let connected = timeout(PATIENCE, TcpStream::connect(address)).await;
    let Ok(Ok(mut connection)) = connected else { return Err(State::Absent) };
    let mut answer = Vec::new();
    let exchange = async {
        connection.write_all(request.as_bytes()).await?;
        connection.take(LONGEST).read_to_end(&mut answer).await
    };
    // An answer whose connection stays open is an answer.
    let _late_or_cut_off = timeout(PATIENCE, exchange).await;
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
    Ok((status.ok_or(State::Silent)?, body.unwrap_or_default()))
}

fn explain_state(what: &str, state: State, instance: &str) -> Failure {
    let is_on_instance = instance.starts_with("i-");
    let kind = match state {
        State::Working => Kind::Temporary,
        State::Silent => Kind::Configuration,
        State::Absent if is_on_instance => Kind::Configuration,
        _ if what == "region" => Kind::Configuration,
        State::Absent | State::NoRole | State::Refusing(_) | State::SwitchedOff => Kind::Denied,
    };
    let modify = format!("aws ec2 modify-instance-metadata-options --instance-id {instance}");
    let instead = match what {
        "region" => "set AWS_REGION",
        _ => "run the container on an instance or task with a role",
    };
    let text = match state {
        State::Silent => format!(
            ": this container cannot reach instance metadata, because the hop limit of the \
             instance is 1. Run `{modify} --http-put-response-hop-limit 2`"
        ),
        State::Absent if is_on_instance => format!(
            ": this container cannot reach instance metadata at {ADDRESS}. Run `{modify} \
             --http-put-response-hop-limit 2`; if that is so already, a firewall or the \
             container's network is in the way"
        ),
        State::Absent => {
            format!(" in the environment, and no instance metadata at {ADDRESS}; {instead}")
        }
        State::Refusing(403) => {
            format!(": instance metadata is switched off. Run `{modify} --http-endpoint enabled`")
        }
        State::Refusing(status) => format!(
            " in the environment, and instance metadata refuses to answer (status {status}); \
             {instead}"
        ),
        State::NoRole => format!(
            ": the instance has no role. Run `aws ec2 associate-iam-instance-profile \
             --instance-id {instance} --iam-instance-profile Name=<profile>`"
        ),
        State::SwitchedOff => format!(
            " in the environment, and the variable {DISABLED} forbids to ask instance metadata; \
             {instead}, or remove {DISABLED}"
        ),
        State::Working => ": instance metadata did not answer in time, and answers now".to_owned(),
    };
    Failure::new(kind, format!("no {what}{text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_says_what_to_do() {
        for (instance, what, state, kind, expected) in [
            ("i-1", "credentials", State::Silent, Kind::Configuration, {
                "no credentials: this container cannot reach instance metadata, because the hop \
                 limit of the instance is 1. Run `aws ec2 modify-instance-metadata-options \
                 --instance-id i-1 --http-put-response-hop-limit 2`"
            }),
            ("i-1", "region", State::Absent, Kind::Configuration, {
                "no region: this container cannot reach instance metadata at 169.254.169.254. Run \
                 `aws ec2 modify-instance-metadata-options --instance-id i-1 \
                 --http-put-response-hop-limit 2`; if that is so already, a firewall or the \
                 container's network is in the way"
            }),
            ("<instance>", "region", State::Absent, Kind::Configuration, {
                "no region in the environment, and no instance metadata at 169.254.169.254; set \
                 AWS_REGION"
            }),
            ("<instance>", "credentials", State::Absent, Kind::Denied, {
                "no credentials in the environment, and no instance metadata at 169.254.169.254; \
                 run the container on an instance or task with a role"
            }),
            ("i-1", "credentials", State::Refusing(403), Kind::Denied, {
                "no credentials: instance metadata is switched off. Run `aws ec2 \
                 modify-instance-metadata-options --instance-id i-1 --http-endpoint enabled`"
            }),
        ] {
            assert_eq!(explain_state(what, state, instance), Failure::new(kind, expected));
        }
    }
}
