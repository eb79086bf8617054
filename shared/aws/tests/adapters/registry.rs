//! The registry, at the requests and answers of ECR; and the queue and Parameter Store.

use std::time::Duration;

use esclusa_core::name::Service;
use esclusa_core::observation::Sources;
use esclusa_core::release::{Availability, Release};
use esclusa_core::time::Timestamp;
use esclusa_shell::drive::Hint;
use esclusa_shell::ports::{ConfigurationStore, Configurations, Queue, Registry, Wanted};
use serde_json::{Value, json};

use crate::aws::{aws, ok, refusal, said};
use crate::record_samples::digest;

fn service() -> Service {
    "acme/boletos".parse().unwrap()
}

fn latest() -> Wanted {
    Wanted::Tag("latest".parse().unwrap())
}

fn image() -> Value {
    json!({
        "registryId": "123456789012",
        "repositoryName": "acme/boletos",
        "imageDigest": digest(1).as_str(),
        "imageTags": ["latest", "v1.2.0"],
        "imageSizeInBytes": 12345,
        "imagePushedAt": 1_790_000_000.25,
        "imageManifestMediaType": "application/vnd.oci.image.index.v1+json",
        "imageStatus": "ACTIVE",
    })
}

fn repository() -> Value {
    json!({ "repositories": [{ "repositoryUri": "127.0.0.1:5000/acme/boletos" }] })
}

#[tokio::test]
async fn a_tag_is_resolved_by_one_call_and_the_repository_is_asked_for_once() {
    let (aws, calls) = aws(|call, _| match call.name.as_str() {
        "DescribeImages" => ok(&json!({ "imageDetails": [image()] })),
        _ => ok(&repository()),
    });
    let expected = Release {
        digest: digest(1),
        repository: "127.0.0.1:5000/acme/boletos".to_owned(),
        tags: ["latest", "v1.2.0"].iter().map(|tag| tag.parse().unwrap()).collect(),
        label: "v1.2.0".parse().unwrap(),
        bytes: 12345,
        pushed_at: Timestamp::from_millis(1_790_000_000_250),
        availability: Availability::Active,
    };
    for _ in 0..2 {
        let found = aws.resolve(&service(), &latest()).await.unwrap();
        assert_eq!(found, Some(expected.clone()));
    }
    assert_eq!(calls.names(), ["DescribeImages", "DescribeRepositories", "DescribeImages"]);
    let asked = json!({
        "repositoryName": "acme/boletos",
        "imageIds": [{ "imageTag": "latest" }],
        "filter": { "imageStatus": "ANY" },
    });
    assert_eq!(calls.all()[0].input, asked);
}

#[tokio::test]
async fn what_the_registry_says_of_an_image_is_told() {
    for (member, value, expected) in [
        ("imageStatus", json!("ARCHIVED"), "v1.2.0 Archived 12345"),
        ("imageStatus", json!("ACTIVATING"), "v1.2.0 Archived 12345"),
        ("imageStatus", Value::Null, "v1.2.0 Active 12345"),
        ("imageSizeInBytes", Value::Null, "v1.2.0 Active 0"),
        ("imageTags", json!([]), "sha256-000000000000 Active 12345"),
        ("imageTags", json!(["x".repeat(200)]), "sha256-000000000000 Active 12345"),
    ] {
        let mut seen = image();
        seen[member] = value.clone();
        let (aws, _) = aws(move |call, _| match call.name.as_str() {
            "DescribeImages" => ok(&json!({ "imageDetails": [seen] })),
            _ => ok(&repository()),
        });
        let found = aws.resolve(&service(), &Wanted::Digest(digest(1))).await.unwrap().unwrap();
        let told = format!("{} {:?} {}", found.label, found.availability, found.bytes);
        assert_eq!(told, expected, "{member} = {value}");
    }
}

#[tokio::test]
async fn an_image_that_is_not_there_is_none() {
    for code in ["ImageNotFoundException", "RepositoryNotFoundException"] {
        let (aws, _) = aws(move |_, _| refusal(code));
        assert_eq!(aws.resolve(&service(), &latest()).await.unwrap(), None, "{code}");
    }
}

#[tokio::test]
async fn a_refusal_of_ecr_names_the_image() {
    let (aws, _) = aws(|_, _| refusal("AccessDeniedException"));
    let text = said(&aws.resolve(&service(), &latest()).await.unwrap_err());
    assert!(text.starts_with("cannot look up the image `acme/boletos:latest` in ECR: "), "{text}");
    assert!(text.contains("AccessDeniedException"), "{text}");
}

#[tokio::test]
async fn a_wake_up_is_a_delayed_message() {
    let (aws, calls) = aws(|_, _| ok(&json!({ "MessageId": "m" })));
    let lane = "acme/boletos#production".parse().unwrap();
    aws.wake(&lane, Hint::WakeUp { sequence: 7 }, Duration::from_millis(4500)).await.unwrap();
    let asked = calls.one("SendMessage");
    let body: Value = serde_json::from_str(asked["MessageBody"].as_str().unwrap()).unwrap();
    let lane = "acme/boletos#production";
    assert_eq!(body, json!({ "esclusa": "wake", "lane": lane, "sequence": 7 }));
    assert_eq!(asked["DelaySeconds"], 5);
    assert_eq!(asked["QueueUrl"], "https://sqs.eu-south-1.amazonaws.com/123456789012/lanes");
}

#[tokio::test]
async fn a_configuration_is_stored_in_the_place_of_the_one_before() {
    let (storing, calls) = aws(|_, _| ok(&json!({ "Version": 2 })));
    storing.store(&service(), "compose = \"host\"").await.unwrap();
    let expected = json!({ "Name": "/esclusa/services/acme/boletos", "Type": "String",
        "Value": "compose = \"host\"", "Overwrite": true });
    assert_eq!(calls.one("PutParameter"), expected);
    let (refusing, _) = aws(|_, _| refusal("AccessDeniedException"));
    let text = said(&refusing.store(&service(), "#").await.unwrap_err());
    let begins = "cannot store the parameter `/esclusa/services/acme/boletos`: ";
    assert!(text.starts_with(begins), "{text}");
}

#[tokio::test]
async fn both_configurations_are_read_in_one_call() {
    let (aws, calls) = aws(|_, _| {
        let found = json!([
            { "Name": "/esclusa/services/acme/boletos", "Value": "compose = \"host\"" },
        ]);
        ok(&json!({ "Parameters": found, "InvalidParameters": ["/esclusa/defaults"] }))
    });
    let expected = Sources { service: Some("compose = \"host\"".to_owned()), defaults: None };
    assert_eq!(aws.sources(&service()).await.unwrap(), expected);
    let names = json!(["/esclusa/services/acme/boletos", "/esclusa/defaults"]);
    assert_eq!(calls.one("GetParameters")["Names"], names);
}
