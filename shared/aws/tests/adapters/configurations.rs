//! The configurations, at the requests and answers of Parameter Store.

use esclusa_core::name::Service;
use esclusa_core::observation::Sources;
use esclusa_shell::ports::Configurations;
use serde_json::{Value, json};

use crate::aws::{Call, aws, ok, refusal, said};

fn parameter(name: &str, value: &str) -> Value {
    json!({ "Name": name, "Value": value })
}

/// Defaults, and services on two pages, of which one name is no service's.
fn stored(call: &Call) -> (u16, String) {
    ok(&match (call.name.as_str(), call.input["NextToken"].as_str()) {
        ("GetParameters", _) => {
            json!({ "Parameters": [parameter("/esclusa/defaults", "a = 1")] })
        }
        ("GetParametersByPath", None) => json!({
            "Parameters": [
                parameter("/esclusa/services/acme/boletos", "b = 2"),
                parameter("/esclusa/services/No Service", "c = 3"),
            ],
            "NextToken": "more",
        }),
        ("GetParametersByPath", Some("more")) => {
            json!({ "Parameters": [parameter("/esclusa/services/web", "d = 4")] })
        }
        _ => panic!("{call:?}"),
    })
}

#[tokio::test]
async fn every_page_of_configured_services_is_read_and_what_names_none_is_skipped() {
    let (aws, calls) = aws(|call, _| stored(call));
    let configured = aws.configured().await.unwrap();
    let expected = |name: &str, service: &str| -> (Service, Sources) {
        let defaults = Some("a = 1".to_owned());
        (name.parse().unwrap(), Sources { service: Some(service.to_owned()), defaults })
    };
    assert_eq!(configured, [expected("acme/boletos", "b = 2"), expected("web", "d = 4")]);
    assert_eq!(calls.names(), ["GetParameters", "GetParametersByPath", "GetParametersByPath"]);
    let asked = &calls.all()[1].input;
    assert_eq!(*asked, json!({ "Path": "/esclusa/services", "Recursive": true }));
}

#[tokio::test]
async fn a_page_that_is_refused_is_said_with_its_path() {
    let (aws, _) = aws(|call, _| match call.input["NextToken"].as_str() {
        Some(_) => refusal("AccessDeniedException"),
        None => stored(call),
    });
    let text = said(&aws.configured().await.unwrap_err());
    assert!(text.starts_with("cannot list the parameters below `/esclusa/services/`: "), "{text}");
}
