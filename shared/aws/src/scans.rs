//! What ECR's scans say of a release: of itself, or of the images that it names for a platform.

use std::collections::BTreeMap;

use aws_sdk_ecr::error::ProvideErrorMetadata;
use aws_sdk_ecr::error::SdkError;
use aws_sdk_ecr::operation::describe_image_scan_findings::DescribeImageScanFindingsError;
use aws_sdk_ecr::operation::start_image_scan::StartImageScanError;
use aws_sdk_ecr::types::{
    EnhancedImageScanFinding, ImageIdentifier, ImageScanFinding, ImageScanFindings,
    ImageScanStatus, PackageVulnerabilityDetails, ScanFrequency, ScanStatus,
    ScanningConfigurationFailureCode,
};
use esclusa_core::configuration::Severity;
use esclusa_core::digest::Digest;
use esclusa_core::name::Service;
use esclusa_core::scan::{Finding, Scanned, State};
use esclusa_shell::ports::BoxError;
use serde::Deserialize;

use crate::Aws;

/// What an image may be stored as: without the indexes among them, ECR hands out another form.
const MANIFESTS: [&str; 4] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];

/// How deep indexes may name indexes.
const DEPTH: u32 = 4;

/// Findings in a page, as many as ECR gives.
const PAGE: i32 = 1000;

/// A manifest, as far as it names others.
#[derive(Deserialize)]
struct Manifest {
    manifests: Option<Vec<Part>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part {
    digest: String,
    #[serde(default)]
    media_type: String,
    #[serde(default)]
    platform: Platform,
}

#[derive(Default, Deserialize)]
struct Platform {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    variant: String,
}

impl Platform {
    /// `linux/arm64/v8`; empty where nothing says so.
    fn name(&self) -> String {
        let parts = [&self.os, &self.architecture, &self.variant];
        let parts: Vec<&str> = parts.into_iter().map(String::as_str).collect();
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/")
    }

    /// An attestation says that it runs on nothing that is known.
    fn runs(&self) -> bool {
        self.architecture != "unknown"
    }
}

impl<M> Aws<M> {
    pub(crate) async fn scanned(
        &self,
        service: &Service,
        digest: &Digest,
    ) -> Result<Vec<Scanned>, BoxError> {
        let mut scans = Vec::new();
        let mut open = vec![(digest.clone(), String::new(), DEPTH)];
        while let Some((digest, platform, depth)) = open.pop() {
            match self.parts(service, &digest).await? {
                Ok(Some(parts)) if depth > 0 => {
                    for part in parts.into_iter().filter(|part| part.platform.runs()) {
                        let name = part.platform.name();
                        let digest: Digest = part.digest.parse()?;
                        if part.media_type.contains("index") || part.media_type.contains("list") {
                            open.push((digest, name, depth.saturating_sub(1)));
                        } else {
                            let state = self.state(service, &digest).await?;
                            scans.push(Scanned { digest, platform: name, state });
                        }
                    }
                }
                Ok(Some(_)) => {
                    let state = State::Missing("its index names indexes without end".to_owned());
                    scans.push(Scanned { digest, platform, state });
                }
                Ok(None) => {
                    let state = self.state(service, &digest).await?;
                    scans.push(Scanned { digest, platform, state });
                }
                Err(why) => {
                    scans.push(Scanned { digest, platform, state: State::Missing(why) });
                }
            }
        }
        scans.sort_by(|one, other| {
            (&one.platform, &one.digest).cmp(&(&other.platform, &other.digest))
        });
        Ok(scans)
    }

    /// What an image names; nothing where it is no index, or why ECR does not hand it out.
    async fn parts(
        &self,
        service: &Service,
        digest: &Digest,
    ) -> Result<Result<Option<Vec<Part>>, String>, BoxError> {
        let call = (self.ecr.batch_get_image())
            .repository_name(service.as_str())
            .image_ids(by_digest(digest))
            .set_accepted_media_types(Some(MANIFESTS.map(str::to_owned).to_vec()));
        let got = call.send().await?;
        if let Some(failure) = got.failures().first() {
            let code = failure.failure_code().map_or("no reason given", |code| code.as_str());
            return Ok(Err(format!("ECR does not hand it out: {code}")));
        }
        let text = got.images().first().and_then(|image| image.image_manifest());
        match serde_json::from_str::<Manifest>(text.unwrap_or_default()) {
            Ok(manifest) => Ok(Ok(manifest.manifests)),
            Err(error) => Ok(Err(format!("its manifest cannot be read: {error}"))),
        }
    }

    /// Why ECR would not hand out an image with all that it names; nothing if it would.
    pub(crate) async fn withheld_of(
        &self,
        service: &Service,
        digest: &Digest,
    ) -> Result<Option<String>, BoxError> {
        let parts = match self.parts(service, digest).await? {
            Ok(parts) => parts.unwrap_or_default(),
            Err(why) => return Ok(Some(why)),
        };
        for part in parts.into_iter().filter(|part| part.platform.runs()) {
            let digest: Digest = part.digest.parse()?;
            if let Err(why) = self.parts(service, &digest).await? {
                return Ok(Some(format!("{}: {why}", digest.short())));
            }
        }
        Ok(None)
    }

    /// Asks for a basic scan; why ECR refuses, if it does: the limit of one a day is used up, the
    /// image is of a kind that it cannot scan, or Inspector scans here, which takes no requests.
    pub(crate) async fn asked_to_scan(
        &self,
        service: &Service,
        digest: &Digest,
    ) -> Result<Option<String>, BoxError> {
        let call = self.ecr.start_image_scan();
        match call.repository_name(service.as_str()).image_id(by_digest(digest)).send().await {
            Ok(_) => Ok(None),
            Err(error) => match error.as_service_error() {
                Some(refusal) if !is_passing(refusal) => Ok(Some(refusal.to_string())),
                Some(_) | None => Err(error.into()),
            },
        }
    }

    /// How far the scan of one image is, with all its findings.
    async fn state(&self, service: &Service, digest: &Digest) -> Result<State, BoxError> {
        let mut findings = Vec::new();
        let mut next = None;
        loop {
            let call = (self.ecr.describe_image_scan_findings())
                .repository_name(service.as_str())
                .image_id(by_digest(digest))
                .max_results(PAGE)
                .set_next_token(next);
            let page = match call.send().await {
                Ok(page) => page,
                Err(error) => return self.without_scan(service, error).await,
            };
            let status = page.image_scan_status();
            let Some(found) = page.image_scan_findings().filter(|_| is_done(status)) else {
                return Ok(unfinished(status));
            };
            findings.extend(self::findings(found));
            next = page.next_token;
            if next.is_none() {
                return Ok(State::Done(findings));
            }
        }
    }

    async fn without_scan(
        &self,
        service: &Service,
        error: SdkError<DescribeImageScanFindingsError>,
    ) -> Result<State, BoxError> {
        match error.as_service_error() {
            Some(DescribeImageScanFindingsError::ScanNotFoundException(_)) => {
                Ok(match self.unscanned(service).await? {
                    Some(why) => State::Unscanned(why),
                    None => State::Pending("ECR has no scan of it yet".to_owned()),
                })
            }
            Some(DescribeImageScanFindingsError::ImageNotFoundException(_)) => {
                Ok(State::Missing("it is gone from ECR".to_owned()))
            }
            _ => Err(error.into()),
        }
    }

    /// Why a repository's images are not scanned by themselves, if they are not.
    async fn unscanned(&self, service: &Service) -> Result<Option<String>, BoxError> {
        let call = self.ecr.batch_get_repository_scanning_configuration();
        let got = call.repository_names(service.as_str()).send().await?;
        if got.failures().iter().any(|it| {
            it.failure_code() == Some(&ScanningConfigurationFailureCode::RepositoryNotFound)
        }) {
            return Ok(Some("there is no such repository".to_owned()));
        }
        let frequency = got.scanning_configurations().first().and_then(|it| it.scan_frequency());
        let off = matches!(frequency, None | Some(ScanFrequency::Manual));
        Ok(off.then(|| format!("scan on push is off for the repository {service}")))
    }
}

fn is_passing(refusal: &StartImageScanError) -> bool {
    refusal.is_server_exception() || refusal.code() == Some("ThrottlingException")
}

fn by_digest(digest: &Digest) -> ImageIdentifier {
    ImageIdentifier::builder().image_digest(digest.as_str()).build()
}

/// Inspector never says that it is done: its findings go on being true.
fn is_done(status: Option<&ImageScanStatus>) -> bool {
    let status = status.and_then(ImageScanStatus::status);
    matches!(status, Some(ScanStatus::Complete | ScanStatus::Active))
}

fn unfinished(status: Option<&ImageScanStatus>) -> State {
    let word = status.and_then(ImageScanStatus::status);
    let said = word.map_or("ECR does not say how far it is", ScanStatus::as_str);
    let said = match status.and_then(ImageScanStatus::description) {
        Some(more) if !more.is_empty() => format!("{said}: {more}"),
        _ => said.to_owned(),
    };
    match word {
        // Without findings yet.
        Some(ScanStatus::Active | ScanStatus::Complete) => {
            State::Pending(format!("{said}, and no findings yet"))
        }
        Some(ScanStatus::Pending | ScanStatus::InProgress) => State::Pending(said),
        Some(ScanStatus::UnsupportedImage) => State::Unscanned(said),
        _ => State::Missing(said),
    }
}

fn findings(found: &ImageScanFindings) -> Vec<Finding> {
    let basic = found.findings().iter().map(basic);
    basic.chain(found.enhanced_findings().iter().flat_map(enhanced)).collect()
}

fn severity(text: &str) -> Severity {
    text.parse().unwrap_or(Severity::Undefined)
}

fn basic(seen: &ImageScanFinding) -> Finding {
    let attributes: BTreeMap<&str, &str> =
        seen.attributes().iter().filter_map(|it| Some((it.key(), it.value()?))).collect();
    let of = |keys: &[&str]| {
        let value = keys.iter().find_map(|key| attributes.get(key));
        value.map(ToString::to_string).unwrap_or_default()
    };
    Finding {
        severity: severity(seen.severity().map_or("", |it| it.as_str())),
        id: seen.name().unwrap_or("a finding without a name").to_owned(),
        package: of(&["package_name"]),
        installed: of(&["package_version"]),
        fixed: of(&["patched_version", "fixed_in_version"]),
    }
}

/// One for each package that has it; those that Inspector has closed or suppressed do not count.
fn enhanced(seen: &EnhancedImageScanFinding) -> Vec<Finding> {
    if seen.status().is_some_and(|status| status != "ACTIVE") {
        return Vec::new();
    }
    let details = seen.package_vulnerability_details();
    let id = details.and_then(|it| it.vulnerability_id()).or(seen.title());
    let bare = Finding {
        severity: severity(seen.severity().unwrap_or_default()),
        id: id.unwrap_or("a finding without a name").to_owned(),
        package: String::new(),
        installed: String::new(),
        fixed: String::new(),
    };
    let packages =
        details.map(PackageVulnerabilityDetails::vulnerable_packages).unwrap_or_default();
    if packages.is_empty() {
        return vec![bare];
    }
    let text = |it: Option<&str>| it.unwrap_or_default().to_owned();
    let of = |it: &aws_sdk_ecr::types::VulnerablePackage| Finding {
        package: text(it.name()),
        installed: text(it.version()),
        fixed: text(it.fixed_in_version().filter(|it| *it != "NotAvailable")),
        ..bare.clone()
    };
    packages.iter().map(of).collect()
}
