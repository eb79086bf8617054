//! What an image's scan says, and whether that lets a release go out.
//!
//! Nothing is scanned but images that run: an index is judged by the images that it names for the
//! platforms of its hosts. What is not known is never taken for clean: a scan that has expired has
//! no findings either.

mod platform;
mod verdict;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use crate::configuration::Severity;
use crate::digest::Digest;

pub use platform::{Platform, UnknownPlatform, for_hosts};
pub use verdict::{Judge, Verdict, counted};

/// One vulnerability in one package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// How bad it is; findings are listed the worst first.
    pub severity: Severity,
    /// The name of the vulnerability: `CVE-2026-1234`.
    pub id: String,
    /// The package that has it; empty where the scan does not say.
    pub package: String,
    /// The version that is in the image; empty where the scan does not say.
    pub installed: String,
    /// The first version without it; empty where there is none, or the scan does not say.
    pub fixed: String,
}

/// `CVE-2026-1234 (CRITICAL) in openssl 3.0.1, fixed in 3.0.2`.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { severity, id, package, installed, fixed } = self;
        write!(f, "{id} ({severity})")?;
        if !package.is_empty() {
            write!(f, " in {package}")?;
        }
        if !installed.is_empty() {
            write!(f, " {installed}")?;
        }
        match fixed.as_str() {
            "" => f.write_str(", no fix known"),
            fixed => write!(f, ", fixed in {fixed}"),
        }
    }
}

/// How far the scan of one image is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It is done, or goes on for ever and has been done once: these are all of its findings.
    Done(Vec<Finding>),
    /// It is under way, or has not begun; what ECR says.
    Pending(String),
    /// It will not say anything, or not any more; what ECR says.
    Missing(String),
    /// Nothing here scans such an image; why.
    Unscanned(String),
}

/// The scan of one image that a release may run as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scanned {
    /// The image, which an index names where the release is one.
    pub digest: Digest,
    /// What it runs on, such as `linux/arm64`; empty where nothing says so.
    pub platform: String,
    /// How far its scan is.
    pub state: State,
}

/// How many vulnerabilities there are of each severity, each counted once however many packages
/// have it.
pub type Counts = BTreeMap<Severity, usize>;
