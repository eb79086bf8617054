//! Repositories, their settings, and logging in.

use aws_sdk_ecr::types::{ImageTagMutability, Tag};
use base64::Engine;

use crate::refusal;
use crate::world::{SECOND, TOKEN, World};

#[tokio::test]
async fn a_token_opens_the_registry_for_half_a_day() {
    let world = World::bare("token").await;
    let answer = world.ecr().get_authorization_token().send().await.unwrap();
    let data = &answer.authorization_data()[0];
    let token = data.authorization_token().unwrap();
    let plain = base64::engine::general_purpose::STANDARD.decode(token).unwrap();
    assert_eq!(plain, format!("AWS:{TOKEN}").into_bytes());
    let host = format!("http://127.0.0.1:{}", world.registry_port);
    assert_eq!(data.proxy_endpoint(), Some(host.as_str()));
    let expires = data.expires_at().unwrap().as_secs_f64();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let half_a_day = SECOND.as_secs_f64() * 12.0 * 3600.0;
    assert!((expires - now.as_secs_f64() - half_a_day).abs() < 5.0);
}

#[tokio::test]
async fn repositories_are_made_listed_and_removed() {
    let world = World::with_registry("repositories").await;
    let ecr = world.ecr();
    let create = |name: &str| ecr.create_repository().repository_name(name);
    let tag = Tag::builder().key("team").value("web").build().unwrap();
    create("acme/web").tags(tag).send().await.unwrap();
    create("acme/api").send().await.unwrap();
    assert_eq!(refusal!(create("acme/web").send().await).0, "RepositoryAlreadyExistsException");
    for name in ["x", "Upper", "acme//web", "-web", "web-"] {
        let refused = refusal!(create(name).send().await);
        assert_eq!(refused.0, "InvalidParameterException", "{name}");
    }
    let first = ecr.describe_repositories().max_results(1).send().await.unwrap();
    assert_eq!(first.repositories()[0].repository_name(), Some("acme/api"));
    let next = ecr.describe_repositories().next_token(first.next_token().unwrap());
    assert_eq!(next.send().await.unwrap().repositories()[0].repository_name(), Some("acme/web"));
    let arn = "arn:aws:ecr:eu-south-1:123456789012:repository/acme/web";
    let tags = ecr.list_tags_for_resource().resource_arn(arn).send().await.unwrap();
    assert_eq!(tags.tags()[0].value(), "web");
    world.push("acme/web", Some("v1"), "one").await;
    let delete = || ecr.delete_repository().repository_name("acme/web");
    assert_eq!(refusal!(delete().send().await).0, "RepositoryNotEmptyException");
    delete().force(true).send().await.unwrap();
    assert!(!world.can_pull("acme/web", "v1").await);
    let gone = ecr.describe_repositories().repository_names("acme/web").send().await;
    assert_eq!(refusal!(gone).0, "RepositoryNotFoundException");
}

#[tokio::test]
async fn settings_are_kept_and_given_back() {
    let world = World::bare("settings").await;
    let ecr = world.ecr();
    ecr.create_repository().repository_name("web").send().await.unwrap();
    let policy = || ecr.get_lifecycle_policy().repository_name("web").send();
    assert_eq!(refusal!(policy().await).0, "LifecyclePolicyNotFoundException");
    let put = ecr.put_lifecycle_policy().repository_name("web");
    put.lifecycle_policy_text("{\"rules\":[]}").send().await.unwrap();
    assert_eq!(policy().await.unwrap().lifecycle_policy_text(), Some("{\"rules\":[]}"));
    ecr.delete_lifecycle_policy().repository_name("web").send().await.unwrap();
    assert_eq!(refusal!(policy().await).0, "LifecyclePolicyNotFoundException");
    let put = ecr.put_image_tag_mutability().repository_name("web");
    put.image_tag_mutability(ImageTagMutability::Immutable).send().await.unwrap();
    let scanning = ecr.batch_get_repository_scanning_configuration();
    let scanning = scanning.repository_names("web").repository_names("none").send().await.unwrap();
    let configuration = &scanning.scanning_configurations()[0];
    assert_eq!(configuration.scan_frequency().unwrap().as_str(), "MANUAL");
    let failure = scanning.failures()[0].failure_code().unwrap();
    assert_eq!(failure.as_str(), "REPOSITORY_NOT_FOUND");
    let world = world.restart().await;
    let kept = world.ecr().describe_repositories().repository_names("web").send().await.unwrap();
    let mutability = kept.repositories()[0].image_tag_mutability();
    assert_eq!(mutability, Some(&ImageTagMutability::Immutable));
}
