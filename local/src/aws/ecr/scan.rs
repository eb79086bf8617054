//! Image scans: asked for, set from outside, read page by page.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::catalog::ImageId;
use super::{Ecr, invalid};
use crate::aws::clock::Moment;
use crate::aws::error::{ApiError, ApiResult};
use crate::aws::events::Event;
use crate::aws::guard;
use crate::aws::json::{page, set};

/// How often ECR scans one image by the basic scanner at most, in AWS's seconds.
const BETWEEN_SCANS: u32 = 24 * 60 * 60;

/// What a scan said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Scan {
    status: String,
    description: String,
    /// Inspector's form, or the basic scanner's.
    enhanced: bool,
    findings: Vec<Value>,
    pub(super) asked_at: Option<Moment>,
    pub(super) completed_at: Option<Moment>,
}

/// A scan's result, to be set from outside: no scanner runs here.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScanResult {
    /// The repository's name.
    pub repository: String,
    /// The image's digest.
    pub digest: String,
    /// For example `COMPLETE`, `ACTIVE`, `PENDING`, `UNSUPPORTED_IMAGE`; `NONE` forgets the scan.
    pub status: String,
    /// What AWS says about the status.
    #[serde(default)]
    pub description: String,
    /// Whether the findings are Inspector's.
    #[serde(default)]
    pub enhanced: bool,
    /// Findings as ECR gives them; each has a `severity`.
    #[serde(default)]
    pub findings: Vec<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Describe {
    repository_name: String,
    image_id: ImageId,
    next_token: Option<String>,
    max_results: Option<usize>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Start {
    repository_name: String,
    image_id: ImageId,
}

impl Scan {
    fn counts(&self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for finding in &self.findings {
            let severity = finding.get("severity").and_then(Value::as_str).unwrap_or("UNDEFINED");
            let count: &mut u64 = counts.entry(severity.to_owned()).or_default();
            *count = count.saturating_add(1);
        }
        counts
    }

    fn has_findings(&self) -> bool {
        matches!(self.status.as_str(), "COMPLETE" | "ACTIVE")
    }
}

impl Ecr {
    pub(super) fn describe_findings(&self, input: &Describe) -> ApiResult<Value> {
        let size @ 1..=1000 = input.max_results.unwrap_or(100) else {
            return Err(invalid("maxResults must be between 1 and 1000"));
        };
        let name = &input.repository_name;
        let repository = self.repository(name)?;
        let digest = repository.resolve(&input.image_id);
        let digest = digest.map_err(|_| input.image_id.not_found(name, self.account()))?;
        let scan = repository.images.get(&digest).and_then(|it| it.scan.as_ref());
        let scan = scan.ok_or_else(|| self.not_scanned(name, &digest))?;
        let mut answer = json!({
            "registryId": self.account(), "repositoryName": name,
            "imageId": ImageId::of(&digest, input.image_id.image_tag.as_deref()),
            "imageScanStatus": { "status": scan.status, "description": scan.description },
        });
        if !scan.has_findings() {
            return Ok(answer);
        }
        let numbered: Vec<(usize, &Value)> = scan.findings.iter().enumerate().collect();
        let key = |(number, _): &(usize, &Value)| format!("{number:09}");
        let shown = page(numbered, key, input.next_token.as_deref(), size).map_err(invalid)?;
        let items: Vec<&Value> = shown.items.into_iter().map(|(_, finding)| finding).collect();
        let completed = scan.completed_at.map(Moment::epoch);
        let list = if scan.enhanced { "enhancedFindings" } else { "findings" };
        let findings = json!({
            "imageScanCompletedAt": completed, "vulnerabilitySourceUpdatedAt": completed,
            "findingSeverityCounts": scan.counts(), list: items,
        });
        set(&mut answer, "imageScanFindings", Some(findings));
        set(&mut answer, "nextToken", shown.next);
        Ok(answer)
    }

    fn not_scanned(&self, repository: &str, digest: &str) -> ApiError {
        let message = format!(
            "Image scan does not exist for the image with '{{imageDigest:'{digest}'}}' in the \
             repository with name '{repository}' in the registry with id '{}'",
            self.account()
        );
        ApiError::client("ScanNotFoundException", message)
    }

    pub(super) fn start_scan(&self, input: &Start) -> ApiResult<Value> {
        let name = &input.repository_name;
        let digest = self.repository(name)?.resolve(&input.image_id);
        let digest = digest.map_err(|_| input.image_id.not_found(name, self.account()))?;
        self.begin_scan(name, &digest)?;
        Ok(json!({
            "registryId": self.account(), "repositoryName": name,
            "imageId": ImageId::of(&digest, input.image_id.image_tag.as_deref()),
            "imageScanStatus": { "status": "IN_PROGRESS" },
        }))
    }

    /// Marks a scan as running. No scanner runs here: its result is set from outside.
    ///
    /// # Errors
    ///
    /// `UnsupportedImageTypeException` for an index, `LimitExceededException` within a day.
    pub(super) fn begin_scan(&self, name: &str, digest: &str) -> ApiResult<()> {
        let now = Moment::now();
        let day = self.settings.timing.second.saturating_mul(BETWEEN_SCANS);
        self.change(name, |repository| {
            let Some(image) = repository.images.get_mut(digest) else { return Ok(()) };
            if image.manifest.is_index() {
                let message = "an index is not scanned; the images that it names are";
                return Err(ApiError::client("UnsupportedImageTypeException", message));
            }
            let last = image.scan.as_ref().and_then(|it| it.asked_at);
            if last.is_some_and(|it| now.since(it) < day) {
                let message = "The scan quota per image has been exceeded. Wait and try again.";
                return Err(ApiError::client("LimitExceededException", message));
            }
            image.scan = Some(Scan {
                status: "IN_PROGRESS".to_owned(),
                description: String::new(),
                enhanced: false,
                findings: Vec::new(),
                asked_at: Some(now),
                completed_at: None,
            });
            Ok(())
        })?
    }

    /// Sets a scan's result, and tells of it when the scan is done.
    ///
    /// # Errors
    ///
    /// There is no such repository or image.
    pub(crate) fn set_scan(&self, result: ScanResult) -> ApiResult<()> {
        let ScanResult { repository: name, digest, status, .. } = result;
        let (name, digest) = (&name, &digest);
        let id = ImageId::of(digest, None);
        let missing = id.not_found(name, self.account());
        let now = Moment::now();
        let mut scan = Scan {
            status,
            description: result.description,
            enhanced: result.enhanced,
            findings: result.findings,
            asked_at: Some(now),
            completed_at: Some(now),
        };
        self.change(name, |repository| {
            let image = repository.images.get_mut(digest).ok_or(missing)?;
            // Its end is not when it was asked for.
            scan.asked_at = image.scan.as_ref().and_then(|it| it.asked_at).or(Some(now));
            image.scan = (scan.status != "NONE").then(|| scan.clone());
            Ok::<(), ApiError>(())
        })??;
        match (scan.has_findings(), scan.enhanced) {
            (true, false) => self.emit_basic(name, digest, &scan),
            (true, true) => self.emit_enhanced(name, digest, &scan),
            (false, _) => {}
        }
        Ok(())
    }

    fn emit_basic(&self, name: &str, digest: &str, scan: &Scan) {
        let detail = json!({
            "scan-status": "COMPLETE", "repository-name": name, "image-digest": digest,
            "finding-severity-counts": scan.counts(), "image-tags": self.tags_of(name, digest),
        });
        let event = Event::at_once("aws.ecr", "ECR Image Scan", vec![self.arn(name)], detail);
        self.events.emit(event);
    }

    /// Inspector's first scan: the repository by its ARN, the sum among the counts.
    fn emit_enhanced(&self, name: &str, digest: &str, scan: &Scan) {
        let mut counts = scan.counts();
        counts.insert("TOTAL".to_owned(), u64::try_from(scan.findings.len()).unwrap_or(0));
        let arn = self.arn(name);
        let detail = json!({
            "scan-status": "INITIAL_SCAN_COMPLETE", "repository-name": arn,
            "finding-severity-counts": counts, "image-digest": digest,
            "image-tags": self.tags_of(name, digest),
        });
        self.events.emit(Event::at_once("aws.inspector2", "Inspector2 Scan", vec![arn], detail));
    }

    fn tags_of(&self, name: &str, digest: &str) -> Vec<String> {
        let catalog = guard(&self.catalog);
        let repository = catalog.repositories.get(name);
        let tags = repository.map(|it| it.tags_of(digest)).unwrap_or_default();
        tags.into_iter().map(str::to_owned).collect()
    }
}
