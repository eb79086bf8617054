//! The registry's images as retention sees them, at the requests and answers of ECR.

use std::collections::{BTreeMap, BTreeSet};

use esclusa_core::digest::Digest;
use esclusa_core::name::Service;
use esclusa_core::release::Availability;
use esclusa_core::retention::{Contents, Id, Image, Kind};
use esclusa_core::time::Timestamp;
use esclusa_shell::retain::ports::Shelf;
use serde_json::{Value, json};

use crate::aws::{Call, Reply, ok, refusal, said, shelves};
use crate::record_samples::digest;

fn service() -> Service {
    "acme/boletos".parse().unwrap()
}

fn detail(number: u32) -> Value {
    json!({
        "imageDigest": digest(number).as_str(),
        "imageTags": ["v1.2.0", "latest"],
        "imageSizeInBytes": 12345,
        "imagePushedAt": 1_790_000_000.25,
        "imageManifestMediaType": "application/vnd.oci.image.manifest.v1+json",
        "artifactMediaType": "application/vnd.oci.image.config.v1+json",
        "imageStatus": "ACTIVE",
    })
}

fn image(number: u32) -> Image {
    Image {
        digest: digest(number),
        tags: vec!["latest".into(), "v1.2.0".into()],
        kind: Kind::Image,
        bytes: 12345,
        pushed_at: Timestamp::from_millis(1_790_000_000_250),
        pulled_at: None,
        subject: None,
        availability: Availability::Active,
    }
}

/// The digests that a call names.
fn asked(call: &Call) -> Vec<Digest> {
    let ids = call.input["imageIds"].as_array().unwrap().iter();
    ids.map(|id| id["imageDigest"].as_str().unwrap().parse().unwrap()).collect()
}

#[tokio::test]
async fn a_listing_takes_one_call_a_page_and_asks_for_archived_images_too() {
    let (aws, calls) = shelves(|call, _| {
        ok(&match call.input["nextToken"].as_str() {
            None => json!({ "imageDetails": [detail(1), detail(2)], "nextToken": "2" }),
            Some("2") => json!({ "imageDetails": [detail(3)], "nextToken": "3" }),
            Some(_) => json!({ "imageDetails": [detail(4)] }),
        })
    });
    let expected: Vec<Image> = (1..=4).map(image).collect();
    assert_eq!(aws.images(&service()).await.unwrap(), Some(expected));
    assert_eq!(calls.names(), ["DescribeImages"; 3]);
    let first = json!({
        "repositoryName": "acme/boletos", "maxResults": 1000, "filter": { "imageStatus": "ANY" },
    });
    assert_eq!(calls.all()[0].input, first);
}

#[tokio::test]
async fn what_ecr_says_of_an_image_is_told() {
    let index = "application/vnd.oci.image.index.v1+json";
    let changed = |change: &dyn Fn(&mut Image)| {
        let mut image = image(1);
        change(&mut image);
        image
    };
    for (member, value, expected) in [
        ("imageManifestMediaType", json!(index), changed(&|it| it.kind = Kind::Index)),
        ("artifactMediaType", json!("application/x"), changed(&|it| it.kind = Kind::Artifact)),
        ("artifactMediaType", Value::Null, image(1)),
        ("imageStatus", json!("ARCHIVED"), changed(&|it| it.availability = Availability::Archived)),
        (
            "imageStatus",
            json!("ACTIVATING"),
            changed(&|it| it.availability = Availability::Archived),
        ),
        (
            "lastRecordedPullTime",
            json!(1_790_000_001.5),
            changed(&|it| it.pulled_at = Some(Timestamp::from_millis(1_790_000_001_500))),
        ),
        (
            "lastActivatedAt",
            json!(1_790_000_002.0),
            changed(&|it| it.pushed_at = Timestamp::from_millis(1_790_000_002_000)),
        ),
        ("lastActivatedAt", json!(1_780_000_000.0), image(1)),
        (
            "subjectManifestDigest",
            json!(digest(9).as_str()),
            changed(&|it| it.subject = Some(digest(9))),
        ),
        ("imageTags", Value::Null, changed(&|it| it.tags = Vec::new())),
        ("imageSizeInBytes", Value::Null, changed(&|it| it.bytes = 0)),
    ] {
        let mut seen = detail(1);
        seen[member] = value.clone();
        let (aws, _) = shelves(move |_, _| ok(&json!({ "imageDetails": [seen] })));
        let found = aws.images(&service()).await.unwrap().unwrap();
        assert_eq!(found, [expected], "{member} = {value}");
    }
}

#[tokio::test]
async fn an_image_that_cannot_be_true_is_named() {
    for (member, value, expected) in [
        ("imageDigest", json!("sha512:ab"), "`sha512:ab` does not start with `sha256:`"),
        ("imageDigest", Value::Null, "AWS answered without a usable imageDigest"),
        ("imagePushedAt", Value::Null, "AWS answered without a usable imagePushedAt"),
        ("subjectManifestDigest", json!("x"), "`x` does not start with `sha256:`"),
    ] {
        let mut seen = detail(1);
        seen[member] = value;
        let (aws, _) = shelves(move |_, _| ok(&json!({ "imageDetails": [detail(2), seen] })));
        let text = said(&aws.images(&service()).await.unwrap_err());
        assert_eq!(text, format!("cannot list the images of `acme/boletos` in ECR: {expected}"));
    }
}

#[tokio::test]
async fn without_a_repository_there_is_nothing() {
    let (aws, _) = shelves(|_, _| refusal("RepositoryNotFoundException"));
    assert_eq!(aws.images(&service()).await.unwrap(), None);
    assert_eq!(aws.again(&service(), &[digest(1)]).await.unwrap(), []);
    assert_eq!(aws.survivors(&service(), &[digest(1)]).await.unwrap(), BTreeSet::new());
    let (aws, _) = shelves(|_, _| refusal("AccessDeniedException"));
    let text = said(&aws.images(&service()).await.unwrap_err());
    assert!(text.starts_with("cannot list the images of `acme/boletos` in ECR: "), "{text}");
    assert!(aws.survivors(&service(), &[digest(1)]).await.is_err());
}

fn manifest(parts: &[&str]) -> String {
    let parts: Vec<Value> = parts.iter().map(|digest| json!({ "digest": digest })).collect();
    json!({ "schemaVersion": 2, "manifests": parts }).to_string()
}

#[tokio::test]
async fn an_index_that_cannot_be_read_costs_no_other() {
    let (aws, calls) = shelves(|_, _| {
        let image = |number: u32, manifest: String| {
            json!({
                "imageId": { "imageDigest": digest(number).as_str() },
                "imageManifest": manifest,
            })
        };
        let failure = json!({
            "imageId": { "imageDigest": digest(5).as_str() },
            "failureCode": "ImageNotFound",
            "failureReason": "Requested image not found",
        });
        ok(&json!({
            "images": [
                image(1, manifest(&[digest(11).as_str(), digest(12).as_str()])),
                image(2, "{".to_owned()),
                image(3, manifest(&[digest(11).as_str(), "sha512:ab"])),
                image(4, "{\"layers\":[]}".to_owned()),
                image(7, manifest(&[])),
            ],
            "failures": [failure],
        }))
    });
    let indexes: Vec<Digest> = (1..=7).map(digest).collect();
    let read = aws.contents(&service(), &indexes).await.unwrap();
    let unreadable = |why: &str| Contents::Unreadable(why.to_owned());
    let cannot = "its manifest cannot be read";
    let expected = BTreeMap::from([
        (digest(1), Contents::Children(vec![digest(11), digest(12)])),
        (
            digest(2),
            unreadable(&format!("{cannot}: EOF while parsing an object at line 1 column 1")),
        ),
        (
            digest(3),
            unreadable(
                "it names a part in no way we know: `sha512:ab` does not start with `sha256:`",
            ),
        ),
        (
            digest(4),
            unreadable(&format!("{cannot}: missing field `manifests` at line 1 column 13")),
        ),
        (
            digest(5),
            unreadable("ECR does not hand it out: ImageNotFound: Requested image not found"),
        ),
        (digest(6), unreadable("ECR did not answer for it")),
        (digest(7), Contents::Children(Vec::new())),
    ]);
    assert_eq!(read, expected);
    let types = json!([
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    ]);
    assert_eq!(calls.one("BatchGetImage")["acceptedMediaTypes"], types);
}

#[tokio::test]
async fn a_hundred_indexes_are_read_in_one_call() {
    let (aws, calls) = shelves(|_, _| ok(&json!({ "images": [] })));
    let indexes: Vec<Digest> = (1..=230).map(digest).collect();
    assert_eq!(aws.contents(&service(), &indexes).await.unwrap().len(), 230);
    let sizes: Vec<usize> = calls.all().iter().map(|call| asked(call).len()).collect();
    assert_eq!(sizes, [100, 100, 30]);
}

/// A repository in which these are gone: of a call that names one of them nothing is answered.
fn without(gone: &'static [u32]) -> impl Fn(&Call, usize) -> Reply + Send + Sync {
    move |call, _| {
        let asked = asked(call);
        if gone.iter().any(|number| asked.contains(&digest(*number))) {
            return refusal("ImageNotFoundException");
        }
        let number = |digest: &Digest| u32::from_str_radix(&digest.as_str()[60..], 16).unwrap();
        let details: Vec<Value> = asked.iter().map(|it| detail(number(it))).collect();
        ok(&json!({ "imageDetails": details }))
    }
}

#[tokio::test]
async fn what_is_gone_is_found_by_halving() {
    let all: Vec<u32> = (1..=100).collect();
    for (gone, most) in [(&[][..], 1), (&[42][..], 15), (&[1, 100], 29), (&[7, 8], 17)] {
        let (aws, calls) = shelves(without(gone));
        let digests: Vec<Digest> = all.iter().map(|number| digest(*number)).collect();
        let found = aws.again(&service(), &digests).await.unwrap();
        let expected: Vec<Image> =
            all.iter().filter(|it| !gone.contains(it)).map(|it| image(*it)).collect();
        assert_eq!(found, expected, "{gone:?}");
        let calls = calls.all();
        assert!(calls.len() <= most, "{gone:?} took {} calls", calls.len());
        assert_eq!(calls[0].input["filter"], json!({ "imageStatus": "ANY" }));
        assert_eq!(calls[0].input.get("maxResults"), None, "ECR refuses it beside ids");
    }
    let (aws, calls) = shelves(without(&[1, 2, 3]));
    let digests = [1, 2, 3].map(digest);
    assert_eq!(aws.again(&service(), &digests).await.unwrap(), []);
    assert_eq!(calls.names().len(), 5);
    let (aws, calls) = shelves(without(&[]));
    assert_eq!(aws.again(&service(), &[]).await.unwrap(), []);
    assert_eq!(calls.names(), [""; 0]);
}

fn tagged(number: u32, tag: &str) -> Id {
    Id { digest: digest(number), tag: Some(tag.into()) }
}

fn untagged(number: u32) -> Id {
    Id { digest: digest(number), tag: None }
}

#[tokio::test]
async fn an_answer_of_success_may_refuse_some() {
    let (aws, calls) = shelves(|_, _| {
        let failure = |number: u32, tag: Option<&str>, code: &str| {
            let mut id = json!({ "imageDigest": digest(number).as_str() });
            if let Some(tag) = tag {
                id["imageTag"] = json!(tag);
            }
            json!({ "imageId": id, "failureCode": code, "failureReason": "because" })
        };
        ok(&json!({
            "imageIds": [],
            "failures": [
                failure(1, Some("v1"), "ImageTagDoesNotMatchDigest"),
                failure(2, None, "ImageReferencedByManifestList"),
                failure(3, None, "ImageNotFound"),
                failure(4, None, "KmsError"),
                failure(5, None, "SomethingNew"),
            ],
        }))
    });
    let ids = [
        tagged(1, "v1"),
        tagged(1, "old"),
        untagged(2),
        tagged(3, "a"),
        tagged(3, "b"),
        untagged(4),
        untagged(5),
        untagged(6),
    ];
    let refused = aws.delete(&service(), &ids).await.unwrap();
    let refused: Vec<String> = refused
        .iter()
        .map(|(id, why)| format!("{} {:?}: {why}", id.digest.as_str().len(), id.tag))
        .collect();
    let expected = [
        "71 Some(\"v1\"): its tag was moved meanwhile",
        "71 None: an index names it that was pushed meanwhile",
        "71 Some(\"a\"): it is gone already",
        "71 Some(\"b\"): it is gone already",
        "71 None: ECR refused: KmsError: because",
        "71 None: ECR refused: SomethingNew: because",
    ];
    assert_eq!(refused, expected);
    let asked = calls.one("BatchDeleteImage");
    assert_eq!(asked["repositoryName"], "acme/boletos");
    let first = json!({ "imageDigest": digest(1).as_str(), "imageTag": "v1" });
    assert_eq!(asked["imageIds"][0], first);
    assert_eq!(asked["imageIds"][2], json!({ "imageDigest": digest(2).as_str() }));
}

#[tokio::test]
async fn a_failure_that_names_nothing_we_asked_for_is_an_error() {
    let (aws, _) = shelves(|_, _| {
        let id = json!({ "imageDigest": digest(9).as_str() });
        ok(&json!({ "failures": [{ "imageId": id, "failureCode": "ImageNotFound" }] }))
    });
    let text = said(&aws.delete(&service(), &[untagged(1)]).await.unwrap_err());
    let expected = "cannot delete images of `acme/boletos` in ECR: AWS answered without a usable \
                    failures[].imageId";
    assert_eq!(text, expected);
}

#[tokio::test]
async fn only_what_ecr_says_is_gone_has_not_survived() {
    let (aws, calls) = shelves(|_, _| {
        let failure = |number: u32, code: &str| {
            let id = json!({ "imageDigest": digest(number).as_str() });
            json!({ "imageId": id, "failureCode": code })
        };
        ok(&json!({
            "images": [],
            "failures": [failure(1, "ImageNotFound"), failure(2, "ImageInaccessible")],
        }))
    });
    let there = aws.survivors(&service(), &[1, 2, 3].map(digest)).await.unwrap();
    assert_eq!(there, BTreeSet::from([digest(2), digest(3)]));
    assert_eq!(calls.names(), ["BatchGetImage"]);
}

#[tokio::test]
async fn a_lifecycle_policy_that_cannot_be_had_stops_nothing() {
    let policy = r#"{"rules":[{"rulePriority":3,"description":"old",
        "selection":{"tagStatus":"untagged","countType":"sinceImagePushed","countUnit":"days",
        "countNumber":14},"action":{"type":"expire"}}]}"#;
    for (answer, expected) in [
        (ok(&json!({ "lifecyclePolicyText": policy })), 1),
        (ok(&json!({ "lifecyclePolicyText": "{" })), 0),
        (ok(&json!({})), 0),
        (refusal("LifecyclePolicyNotFoundException"), 0),
        (refusal("RepositoryNotFoundException"), 0),
        (refusal("AccessDeniedException"), 0),
    ] {
        let said = answer.1.clone();
        let (aws, _) = shelves(move |_, _| answer.clone());
        let rules = aws.lifecycle(&service()).await.unwrap();
        assert_eq!(rules.len(), expected, "{said}");
    }
}
