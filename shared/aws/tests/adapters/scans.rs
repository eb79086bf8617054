//! Scans, at the requests and answers of ECR.

use esclusa_core::name::Service;
use esclusa_core::scan::{Finding, Scanned, State};
use esclusa_shell::ports::Registry;
use serde_json::{Value, json};

use crate::aws::{aws, ok, refusal, said};
use crate::record_samples::digest;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

fn service() -> Service {
    "acme/boletos".parse().unwrap()
}

/// The answer of `BatchGetImage` for an image with this manifest.
fn handed(manifest: &Value) -> Value {
    json!({ "images": [{ "imageManifest": manifest.to_string() }], "failures": [] })
}

fn part(number: u32, architecture: &str) -> Value {
    json!({
        "mediaType": MANIFEST, "digest": digest(number).as_str(), "size": 1,
        "platform": { "os": "linux", "architecture": architecture },
    })
}

/// What a scan with this answer is.
async fn state(answer: Value) -> State {
    let (aws, _) = aws(move |call, _| match call.name.as_str() {
        "BatchGetImage" => ok(&handed(&json!({ "config": {}, "layers": [] }))),
        _ => ok(&answer),
    });
    let mut scans = aws.scans(&service(), &digest(1)).await.unwrap();
    let scan = scans.pop().unwrap();
    assert_eq!((scan.digest, scan.platform.as_str(), scans.len()), (digest(1), "", 0));
    scan.state
}

fn status(status: &str, description: &str) -> Value {
    json!({ "imageScanStatus": { "status": status, "description": description } })
}

#[tokio::test]
async fn how_far_a_scan_is_is_told_in_ecrs_own_words() {
    let pending = |text: &str| State::Pending(text.to_owned());
    let missing = |text: &str| State::Missing(text.to_owned());
    for (word, more, expected) in [
        ("PENDING", "", pending("PENDING")),
        ("IN_PROGRESS", "", pending("IN_PROGRESS")),
        ("ACTIVE", "", pending("ACTIVE, and no findings yet")),
        ("FAILED", "it broke", missing("FAILED: it broke")),
        ("SCAN_ELIGIBILITY_EXPIRED", "", missing("SCAN_ELIGIBILITY_EXPIRED")),
        ("FINDINGS_UNAVAILABLE", "", missing("FINDINGS_UNAVAILABLE")),
        ("LIMIT_EXCEEDED", "", missing("LIMIT_EXCEEDED")),
        ("IMAGE_ARCHIVED", "", missing("IMAGE_ARCHIVED")),
        ("A_WORD_OF_TOMORROW", "", missing("A_WORD_OF_TOMORROW")),
        ("UNSUPPORTED_IMAGE", "no", State::Unscanned("UNSUPPORTED_IMAGE: no".to_owned())),
    ] {
        assert_eq!(state(status(word, more)).await, expected, "{word}");
    }
}

#[tokio::test]
async fn findings_of_both_scanners_are_read() {
    let mut basic = status("COMPLETE", "");
    basic["imageScanFindings"] = json!({ "findings": [
        {
            "name": "CVE-1", "severity": "CRITICAL", "attributes": [
                { "key": "package_name", "value": "openssl" },
                { "key": "package_version", "value": "3.0.1" },
            ],
        },
        { "name": "CVE-2", "severity": "UNDEFINED" },
    ] });
    let mut enhanced = status("ACTIVE", "");
    let details = json!({
        "vulnerabilityId": "CVE-1",
        "vulnerablePackages": [
            { "name": "openssl", "version": "3.0.1", "fixedInVersion": "3.0.2" },
            { "name": "libssl", "version": "3.0.1", "fixedInVersion": "NotAvailable" },
        ],
    });
    enhanced["imageScanFindings"] = json!({ "enhancedFindings": [
        { "severity": "UNTRIAGED", "status": "ACTIVE", "packageVulnerabilityDetails": details },
        { "severity": "HIGH", "status": "CLOSED", "packageVulnerabilityDetails": details },
        { "severity": "HIGH", "status": "SUPPRESSED", "packageVulnerabilityDetails": details },
    ] });
    let texts = |state: State| match state {
        State::Done(findings) => findings.iter().map(Finding::to_string).collect::<Vec<_>>(),
        State::Pending(_) | State::Missing(_) | State::Unscanned(_) => panic!("{state:?}"),
    };
    assert_eq!(
        texts(state(basic).await),
        ["CVE-1 (CRITICAL) in openssl 3.0.1, no fix known", "CVE-2 (UNDEFINED), no fix known"]
    );
    assert_eq!(
        texts(state(enhanced).await),
        [
            "CVE-1 (UNTRIAGED) in openssl 3.0.1, fixed in 3.0.2",
            "CVE-1 (UNTRIAGED) in libssl 3.0.1, no fix known",
        ]
    );
}

#[tokio::test]
async fn an_index_is_scanned_as_the_images_that_it_names() {
    let (aws, calls) = aws(|call, _| {
        let asked = call.input["imageIds"][0]["imageDigest"].as_str();
        match call.name.as_str() {
            "BatchGetImage" if asked == Some(digest(1).as_str()) => {
                let mut inner = part(9, "");
                inner["mediaType"] = INDEX.into();
                let parts = [part(2, "arm64"), part(3, "unknown"), inner];
                ok(&handed(&json!({ "mediaType": INDEX, "manifests": parts })))
            }
            "BatchGetImage" => ok(&handed(&json!({ "manifests": [part(4, "amd64")] }))),
            _ => {
                let mut answer = status("COMPLETE", "");
                answer["imageScanFindings"] = json!({ "findings": [] });
                ok(&answer)
            }
        }
    });
    let clean = |number: u32, platform: &str| {
        let (digest, platform) = (digest(number), platform.to_owned());
        Scanned { digest, platform, state: State::Done(Vec::new()) }
    };
    let scans = aws.scans(&service(), &digest(1)).await.unwrap();
    assert_eq!(scans, [clean(4, "linux/amd64"), clean(2, "linux/arm64")]);
    let count = |name: &str| calls.names().iter().filter(|it| *it == name).count();
    assert_eq!((count("BatchGetImage"), count("DescribeImageScanFindings")), (2, 2));
}

#[tokio::test]
async fn what_was_not_scanned_is_waited_for_only_where_something_scans() {
    for (frequency, expected) in [
        ("SCAN_ON_PUSH", State::Pending("ECR has no scan of it yet".to_owned())),
        ("CONTINUOUS_SCAN", State::Pending("ECR has no scan of it yet".to_owned())),
        (
            "MANUAL",
            State::Unscanned("scan on push is off for the repository acme/boletos".to_owned()),
        ),
    ] {
        let (aws, _) = aws(move |call, _| match call.name.as_str() {
            "BatchGetImage" => ok(&handed(&json!({}))),
            "DescribeImageScanFindings" => refusal("ScanNotFoundException"),
            _ => ok(&json!({ "scanningConfigurations": [{ "scanFrequency": frequency }] })),
        });
        let scans = aws.scans(&service(), &digest(1)).await.unwrap();
        assert_eq!(scans[0].state, expected);
    }
}

#[tokio::test]
async fn findings_are_read_page_by_page() {
    let (aws, calls) = aws(|call, _| {
        if call.name == "BatchGetImage" {
            return ok(&handed(&json!({})));
        }
        let last = call.input["nextToken"] == "2";
        let name = if last { "CVE-2" } else { "CVE-1" };
        let mut answer = status("COMPLETE", "");
        answer["imageScanFindings"] = json!({ "findings": [{ "name": name }] });
        if !last {
            answer["nextToken"] = "2".into();
        }
        ok(&answer)
    });
    let scans = aws.scans(&service(), &digest(1)).await.unwrap();
    let State::Done(findings) = &scans[0].state else { panic!("{scans:?}") };
    assert_eq!(findings.iter().map(|it| it.id.as_str()).collect::<Vec<_>>(), ["CVE-1", "CVE-2"]);
    let asked = &calls.all()[1].input;
    assert_eq!(
        (&asked["maxResults"], &asked["imageId"]["imageDigest"]),
        (&json!(1000), &json!(digest(1).as_str()))
    );
}

#[tokio::test]
async fn what_ecr_does_not_hand_out_is_missing_and_a_refusal_is_an_error() {
    let failure = json!({ "images": [], "failures": [{ "failureCode": "ImageNotFound" }] });
    let (gone, _) = aws(move |_, _| ok(&failure));
    let scans = gone.scans(&service(), &digest(1)).await.unwrap();
    let why = "ECR does not hand it out: ImageNotFound".to_owned();
    assert_eq!(scans[0].state, State::Missing(why));
    let (denied, _) = aws(|_, _| refusal("AccessDeniedException"));
    let text = said(&denied.scans(&service(), &digest(1)).await.unwrap_err());
    let expected = format!("cannot read the scan of `acme/boletos@{}` in ECR: ", digest(1));
    assert!(text.starts_with(&expected), "{text}");
}
