//! Images: pushed, listed, retagged, deleted, archived, scanned.

use aws_sdk_ecr::Client;
use aws_sdk_ecr::types::{DescribeImagesFilter, ImageIdentifier, ImageStatusFilter, TagStatus};
use serde_json::json;

use crate::push::{INDEX, MANIFEST};
use crate::refusal;
use crate::world::World;

fn id(digest: Option<&str>, tag: Option<&str>) -> ImageIdentifier {
    let own = |it: Option<&str>| it.map(str::to_owned);
    ImageIdentifier::builder().set_image_digest(own(digest)).set_image_tag(own(tag)).build()
}

/// Every image as `digest: tags`, whatever its state.
async fn images(ecr: &Client, repository: &str) -> Vec<(String, Vec<String>)> {
    let any = DescribeImagesFilter::builder().image_status(ImageStatusFilter::Any).build();
    let mut pages =
        ecr.describe_images().repository_name(repository).filter(any).into_paginator().send();
    let mut all = Vec::new();
    while let Some(page) = pages.next().await {
        for image in page.unwrap().image_details() {
            let tags = image.image_tags().to_vec();
            all.push((image.image_digest().unwrap().to_owned(), tags));
        }
    }
    all.sort();
    all
}

fn owned(pairs: &[(&str, &[&str])]) -> Vec<(String, Vec<String>)> {
    let own = |tags: &[&str]| tags.iter().map(|it| (*it).to_owned()).collect();
    let mut all: Vec<_> = pairs.iter().map(|(it, tags)| ((*it).to_owned(), own(tags))).collect();
    all.sort();
    all
}

#[tokio::test]
async fn a_push_becomes_an_image_and_an_event_and_creates_its_repository() {
    let world = World::with_registry("push").await;
    let digest = world.push("acme/web", Some("v1"), "one").await;
    let event = world.events.wait("ECR Image Action", "image-tag", "v1").await;
    assert_eq!((event.source, event.resources.len()), ("aws.ecr", 0));
    let expected = json!({
        "result": "SUCCESS", "repository-name": "acme/web", "image-digest": digest,
        "action-type": "PUSH", "image-tag": "v1",
    });
    assert_eq!(event.detail, expected);
    let ecr = world.ecr();
    let found = ecr.describe_images().repository_name("acme/web").send().await.unwrap();
    let [image] = found.image_details() else { panic!("{found:?}") };
    assert_eq!(image.image_digest(), Some(digest.as_str()));
    assert_eq!(image.image_tags(), ["v1"]);
    assert_eq!(image.image_manifest_media_type(), Some(MANIFEST));
    assert_eq!(
        image.image_size_in_bytes(),
        Some(10 + i64::try_from("{\"c\":\"one\"}".len()).unwrap())
    );
    let uri = ecr.describe_repositories().repository_names("acme/web").send().await.unwrap();
    let uri = uri.repositories()[0].repository_uri().unwrap().to_owned();
    assert_eq!(uri, format!("127.0.0.1:{}/acme/web", world.registry_port));
}

#[tokio::test]
async fn a_tag_that_moves_leaves_its_old_image_untagged() {
    let world = World::with_registry("retag").await;
    let old = world.push("web", Some("latest"), "old").await;
    let new = world.push("web", Some("latest"), "new").await;
    let ecr = world.ecr();
    assert_eq!(images(&ecr, "web").await, owned(&[(&old, &[]), (&new, &["latest"])]));
    for (status, expected) in [(TagStatus::Tagged, &new), (TagStatus::Untagged, &old)] {
        let filter = DescribeImagesFilter::builder().tag_status(status).build();
        let found = ecr.describe_images().repository_name("web").filter(filter).send().await;
        let found = found.unwrap();
        let digests: Vec<_> = found.image_details().iter().map(|it| it.image_digest()).collect();
        assert_eq!(digests, [Some(expected.as_str())]);
    }
    let missing = ecr.describe_images().repository_name("web").image_ids(id(None, Some("v9")));
    assert_eq!(refusal!(missing.send().await).0, "ImageNotFoundException");
}

#[tokio::test]
async fn put_image_retags_through_the_registry_and_keeps_the_push_time() {
    let world = World::with_registry("put").await;
    let digest = world.push("web", Some("v1"), "one").await;
    let ecr = world.ecr();
    let pushed_at = async || {
        let found = ecr.describe_images().repository_name("web").send().await.unwrap();
        *found.image_details()[0].image_pushed_at().unwrap()
    };
    let before = pushed_at().await;
    let got = ecr.batch_get_image().repository_name("web").image_ids(id(None, Some("v1")));
    let got = got.accepted_media_types(MANIFEST).send().await.unwrap();
    let manifest = got.images()[0].image_manifest().unwrap().to_owned();
    let put =
        || ecr.put_image().repository_name("web").image_manifest(&manifest).image_tag("production");
    put().image_digest(&digest).send().await.unwrap();
    assert_eq!(images(&ecr, "web").await, owned(&[(&digest, &["production", "v1"])]));
    assert!(world.can_pull("web", "production").await);
    assert_eq!(pushed_at().await, before);
    world.events.wait("ECR Image Action", "image-tag", "production").await;
    assert_eq!(refusal!(put().send().await).0, "ImageAlreadyExistsException");
    let wrong = put().image_digest(format!("sha256:{}", "0".repeat(64)));
    assert_eq!(refusal!(wrong.send().await).0, "ImageDigestDoesNotMatchException");
}

#[tokio::test]
async fn an_immutable_tag_stays_where_it_is() {
    let world = World::with_registry("immutable").await;
    let ecr = world.ecr();
    let create = ecr.create_repository().repository_name("web");
    create
        .image_tag_mutability(aws_sdk_ecr::types::ImageTagMutability::Immutable)
        .send()
        .await
        .unwrap();
    let kept = world.push("web", Some("v1"), "one").await;
    let other = world.push("web", Some("v2"), "two").await;
    let got = ecr.batch_get_image().repository_name("web").image_ids(id(Some(&other), None));
    let manifest = got.send().await.unwrap().images()[0].image_manifest().unwrap().to_owned();
    let put = ecr.put_image().repository_name("web").image_manifest(manifest).image_tag("v1");
    let (code, message) = refusal!(put.send().await);
    assert_eq!(code, "ImageTagAlreadyExistsException", "{message}");
    // A plain push cannot be refused, so its tag is put back, and nobody hears of it.
    let manifest = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [] });
    world.push_manifest("web", Some("v1"), INDEX, &manifest).await;
    world.push("web", Some("v3"), "three").await;
    let of_v1 = ecr.describe_images().repository_name("web").image_ids(id(None, Some("v1")));
    let of_v1 = of_v1.send().await.unwrap();
    assert_eq!(of_v1.image_details()[0].image_digest(), Some(kept.as_str()));
    assert_eq!(images(&ecr, "web").await.len(), 3);
    assert_eq!(world.events.all("ECR Image Action").len(), 3);
}

#[tokio::test]
async fn deleting_follows_tags_and_protects_the_children_of_an_index() {
    let world = World::with_registry("delete").await;
    let child = world.push("web", None, "child").await;
    let tagged_child = world.push("web", Some("arm64"), "tagged child").await;
    let index = world.push_index("web", "v1", &[&child, &tagged_child]).await;
    let plain = world.push("web", Some("a"), "plain").await;
    world.push("web", Some("b"), "plain").await;
    let ecr = world.ecr();
    let nothing = format!("sha256:{}", "0".repeat(64));
    for (name, ids, deleted, failures) in [
        ("a child", vec![id(Some(&child), None)], 0, vec!["ImageReferencedByManifestList"]),
        (
            "a child's last tag",
            vec![id(None, Some("arm64"))],
            0,
            vec!["ImageReferencedByManifestList"],
        ),
        ("nothing named", vec![id(None, None)], 0, vec!["MissingDigestAndTag"]),
        ("no digest", vec![id(Some("sha256:1"), None)], 0, vec!["InvalidImageDigest"]),
        ("not there", vec![id(Some(&nothing), None)], 0, vec!["ImageNotFound"]),
        (
            "another's tag",
            vec![id(Some(&plain), Some("v1"))],
            0,
            vec!["ImageTagDoesNotMatchDigest"],
        ),
        ("one of two tags", vec![id(None, Some("a"))], 1, vec![]),
        ("the pair of the last", vec![id(Some(&plain), Some("b"))], 1, vec![]),
        (
            "an index with its child",
            vec![id(Some(&index), None), id(Some(&child), None)],
            1,
            vec!["ImageReferencedByManifestList"],
        ),
        ("its child then", vec![id(Some(&child), None), id(Some(&tagged_child), None)], 2, vec![]),
    ] {
        let call = ecr.batch_delete_image().repository_name("web").set_image_ids(Some(ids));
        let answer = call.send().await.unwrap();
        let codes: Vec<_> =
            answer.failures().iter().map(|it| it.failure_code().unwrap().as_str()).collect();
        assert_eq!((answer.image_ids().len(), codes), (deleted, failures), "{name}");
        let left = images(&ecr, "web").await;
        let has_plain = left.iter().find(|(digest, _)| *digest == plain);
        match name {
            "one of two tags" => assert_eq!(has_plain.unwrap().1, ["b"]),
            "the pair of the last" => assert_eq!(has_plain, None),
            _ => {}
        }
        if name == "one of two tags" {
            assert!(!world.can_pull("web", "a").await, "the registry keeps the tag");
            assert!(world.can_pull("web", "b").await, "the registry lost the other tag");
        }
    }
    assert_eq!(images(&ecr, "web").await, []);
    assert!(!world.can_pull("web", &index).await);
    let many = vec![id(None, Some("x")); 101];
    let many = ecr.batch_delete_image().repository_name("web").set_image_ids(Some(many));
    assert_eq!(refusal!(many.send().await).0, "InvalidParameterException");
}

#[tokio::test]
async fn an_index_is_as_large_as_its_largest_child_and_its_children_send_empty_tags() {
    let world = World::with_registry("index").await;
    let small = world.push("web", None, "small").await;
    let large = world.push("web", None, "much larger than the other").await;
    let index = world.push_index("web", "v1", &[&small, &large]).await;
    let ecr = world.ecr();
    let found = ecr.describe_images().repository_name("web").send().await.unwrap();
    let size = |digest: &str| {
        let image = found.image_details().iter().find(|it| it.image_digest() == Some(digest));
        image.unwrap().image_size_in_bytes().unwrap()
    };
    assert_eq!(size(&index), size(&large));
    assert!(size(&large) > size(&small));
    let tags: Vec<_> = world
        .events
        .all("ECR Image Action")
        .iter()
        .map(|it| it.detail["image-tag"].clone())
        .collect();
    assert_eq!(tags, [json!(""), json!(""), json!("v1")]);
    let got = ecr.batch_get_image().repository_name("web").image_ids(id(None, Some("v1")));
    let got =
        got.image_ids(id(None, Some("none"))).accepted_media_types(INDEX).send().await.unwrap();
    assert!(got.images()[0].image_manifest().unwrap().contains(&large));
    assert_eq!(got.failures()[0].failure_code().unwrap().as_str(), "ImageNotFound");
    let orphan = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [
        { "mediaType": MANIFEST, "digest": format!("sha256:{}", "1".repeat(64)), "size": 1 }] });
    let put = ecr.put_image().repository_name("web").image_manifest(orphan.to_string());
    assert_eq!(refusal!(put.image_tag("v2").send().await).0, "ReferencedImagesNotFoundException");
}

#[tokio::test]
async fn listings_come_in_pages_of_the_size_that_was_asked_for() {
    let world = World::with_registry("pages").await;
    for number in 0..7 {
        let tag = format!("v{number}");
        world.push("web", Some(&tag), &format!("image {number}")).await;
    }
    let ecr = world.ecr();
    let mut token = None;
    let mut sizes = Vec::new();
    loop {
        let page = ecr.describe_images().repository_name("web").max_results(3);
        let page = page.set_next_token(token).send().await.unwrap();
        sizes.push(page.image_details().len());
        token = page.next_token().map(str::to_owned);
        if token.is_none() {
            break;
        }
    }
    assert_eq!(sizes, [3, 3, 1]);
    let ids = ecr.list_images().repository_name("web").max_results(1000).send().await.unwrap();
    assert_eq!(ids.image_ids().len(), 7);
    let describe = || ecr.describe_images().repository_name("web");
    for (name, call) in [
        ("too many", describe().max_results(1001)),
        ("none", describe().max_results(0)),
        ("ids and a size", describe().image_ids(id(None, Some("v1"))).max_results(5)),
        ("a foreign token", describe().next_token("?")),
    ] {
        assert_eq!(refusal!(call.send().await).0, "InvalidParameterException", "{name}");
    }
    let unknown = ecr.describe_images().repository_name("other").send().await;
    assert_eq!(refusal!(unknown).0, "RepositoryNotFoundException");
}

#[tokio::test]
async fn an_archived_image_is_hidden_and_cannot_be_pulled_until_it_is_restored() {
    let world = World::with_registry("archive").await;
    let digest = world.push("web", Some("v1"), "one").await;
    let ecr = world.ecr();
    let class = |class: &str| {
        json!({ "repositoryName": "web", "imageId": { "imageTag": "v1" },
                                      "targetStorageClass": class })
    };
    world.admin("PUT", "/images/storage-class", class("ARCHIVE")).await;
    let listed = ecr.describe_images().repository_name("web").send().await.unwrap();
    assert_eq!(listed.image_details().len(), 0);
    assert_eq!(images(&ecr, "web").await, owned(&[(&digest, &["v1"])]));
    assert!(!world.can_pull("web", "v1").await);
    let event = world.events.wait("ECR Image Action", "target-storage-class", "ARCHIVE").await;
    assert_eq!(event.detail.get("image-tag"), None);
    world.admin("PUT", "/images/storage-class", class("STANDARD")).await;
    assert!(world.can_pull("web", "v1").await);
    let listed = ecr.describe_images().repository_name("web").send().await.unwrap();
    assert!(listed.image_details()[0].last_activated_at().is_some());
}

#[tokio::test]
async fn a_scan_says_what_was_set_and_nothing_before() {
    let world = World::with_registry("scan").await;
    let digest = world.push("web", Some("v1"), "one").await;
    let index = world.push_index("web", "all", &[&digest]).await;
    let ecr = world.ecr();
    let ask = || {
        let ask = ecr.describe_image_scan_findings().repository_name("web");
        ask.image_id(id(None, Some("v1")))
    };
    assert_eq!(refusal!(ask().send().await).0, "ScanNotFoundException");
    let start = |of: &str| {
        ecr.start_image_scan().repository_name("web").image_id(id(Some(of), None)).send()
    };
    start(&digest).await.unwrap();
    assert_eq!(
        ask().send().await.unwrap().image_scan_status().unwrap().status().unwrap().as_str(),
        "IN_PROGRESS"
    );
    assert_eq!(refusal!(start(&digest).await).0, "LimitExceededException");
    assert_eq!(refusal!(start(&index).await).0, "UnsupportedImageTypeException");
    let findings: Vec<_> =
        (0..3).map(|it| json!({ "name": format!("CVE-{it}"), "severity": "HIGH" })).collect();
    let result = json!({
        "repository": "web", "digest": digest, "status": "COMPLETE", "findings": findings,
    });
    world.admin("PUT", "/scans", result).await;
    let first = ask().max_results(2).send().await.unwrap();
    let found = first.image_scan_findings().unwrap();
    assert_eq!(found.findings().len(), 2);
    assert_eq!(found.finding_severity_counts().unwrap().values().sum::<i32>(), 3);
    let rest = ask().max_results(2).next_token(first.next_token().unwrap()).send().await.unwrap();
    assert_eq!(rest.image_scan_findings().unwrap().findings()[0].name(), Some("CVE-2"));
    let event = world.events.wait("ECR Image Scan", "scan-status", "COMPLETE").await;
    assert_eq!(event.detail["finding-severity-counts"], json!({ "HIGH": 3 }));
    assert_eq!(event.resources, ["arn:aws:ecr:eu-south-1:123456789012:repository/web"]);
}

#[tokio::test]
async fn after_a_restart_the_registry_is_the_truth_and_times_are_kept() {
    let world = World::with_registry("restart").await;
    let child = world.push("web", None, "child").await;
    let index = world.push_index("web", "v1", &[&child]).await;
    let old = world.push("web", Some("latest"), "old").await;
    let new = world.push("web", Some("latest"), "new").await;
    let expected = owned(&[(&child, &[]), (&index, &["v1"]), (&old, &[]), (&new, &["latest"])]);
    let before = world.ecr().describe_images().repository_name("web").send().await.unwrap();
    let world = world.restart().await;
    assert_eq!(images(&world.ecr(), "web").await, expected);
    let after = world.ecr().describe_images().repository_name("web").send().await.unwrap();
    assert_eq!(before.image_details(), after.image_details());
}
