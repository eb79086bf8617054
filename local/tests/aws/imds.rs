//! The instance metadata service.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use esclusa_local::aws::{Credentials, CredentialsSource};
use reqwest::{Client, Method};
use tokio::net::TcpListener;

use crate::world::{ONE, World};

struct Keys;

impl CredentialsSource for Keys {
    fn credentials(
        &self,
        instance_id: &str,
        role: &str,
    ) -> Pin<Box<dyn Future<Output = Result<Credentials, String>> + Send + '_>> {
        let access_key_id = format!("{role}@{instance_id}");
        Box::pin(async {
            Ok(Credentials {
                access_key_id,
                secret_access_key: "secret".to_owned(),
                session_token: "session".to_owned(),
                expiration: "2026-07-10T21:51:32Z".to_owned(),
            })
        })
    }
}

#[tokio::test]
async fn only_version_two_is_answered_with_the_hosts_own_data() {
    let world = World::bare("imds").await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/latest", listener.local_addr().unwrap());
    let routes = world.plane.imds(ONE, Arc::new(Keys));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    let get = async |path: &str, token: &str| {
        let request = Client::new().get(format!("{base}{path}"));
        let answer = request.header("X-aws-ec2-metadata-token", token).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    assert_eq!(get("/meta-data/instance-id", "").await.0, 401);
    assert_eq!(get("/meta-data/instance-id", "guessed").await.0, 401);
    let put = |ttl: &str| {
        let request = Client::new().request(Method::PUT, format!("{base}/api/token"));
        request.header("X-aws-ec2-metadata-token-ttl-seconds", ttl.to_owned()).send()
    };
    assert_eq!(put("0").await.unwrap().status(), 400);
    let token = put("60").await.unwrap().text().await.unwrap();
    let role = "esclusa-host";
    for (path, expected) in [
        ("/meta-data/instance-id", ONE),
        ("/meta-data/placement/region", "eu-south-1"),
        ("/meta-data/placement/availability-zone", "eu-south-1a"),
        ("/meta-data/local-ipv4", "127.0.0.2"),
        ("/meta-data/iam/security-credentials/", role),
    ] {
        assert_eq!(get(path, &token).await, (200, expected.to_owned()), "{path}");
    }
    let (_, keys) = get("/meta-data/iam/security-credentials/esclusa-host", &token).await;
    let keys: serde_json::Value = serde_json::from_str(&keys).unwrap();
    assert_eq!(keys["AccessKeyId"], format!("{role}@{ONE}"));
    assert_eq!((keys["Code"].as_str(), keys["Token"].as_str()), (Some("Success"), Some("session")));
    assert_eq!(get("/meta-data/iam/security-credentials/other", &token).await.0, 404);
    let (_, document) = get("/dynamic/instance-identity/document", &token).await;
    let document: serde_json::Value = serde_json::from_str(&document).unwrap();
    assert_eq!((&document["instanceId"], &document["region"]), (&ONE.into(), &"eu-south-1".into()));
}
