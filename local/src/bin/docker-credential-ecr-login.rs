//! The registry login of local hosts: `amazon-ecr-credential-helper` under its own name, but for a
//! registry on the loopback, which that one refuses. It asks ECR with the keys of the host's role.

use std::io::{Read, Write};
use std::process::ExitCode;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

type Failure = Box<dyn std::error::Error>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let (answer, code) = match answer().await {
        Ok(answer) => (answer, ExitCode::SUCCESS),
        // Docker reads what went wrong off the standard output too.
        Err(error) => (format!("{error}: {:?}", error.source()), ExitCode::FAILURE),
    };
    let _docker_gone = writeln!(std::io::stdout(), "{answer}");
    code
}

async fn answer() -> Result<String, Failure> {
    if std::env::args().nth(1).as_deref() != Some("get") {
        return Err("only `get` is supported: nothing is kept".into());
    }
    let mut registry = String::new();
    std::io::stdin().read_to_string(&mut registry)?;
    let sdk = aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await;
    let given = aws_sdk_ecr::Client::new(&sdk).get_authorization_token().send().await?;
    let data = given.authorization_data.unwrap_or_default();
    let token = data.first().and_then(|it| it.authorization_token());
    let login = String::from_utf8(STANDARD.decode(token.ok_or("ECR gave no token")?)?)?;
    let (user, password) = login.split_once(':').ok_or("ECR's token is no login")?;
    let login = json!({ "ServerURL": registry.trim(), "Username": user, "Secret": password });
    Ok(login.to_string())
}
