//! What hosts are, and which images of an index they would run.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use super::Scanned;

/// The platforms that are told apart. An engine takes some names that are not here for one that
/// is, such as `linux/x86_64`: what bears another name is never taken for somebody else's.
const KNOWN: [&str; 9] = [
    "linux/386",
    "linux/amd64",
    "linux/arm",
    "linux/arm64",
    "linux/ppc64le",
    "linux/riscv64",
    "linux/s390x",
    "windows/amd64",
    "windows/arm64",
];

/// An operating system and an architecture, in OCI's words: `linux/arm64`.
///
/// Without a variant, since engines do not tell theirs: all variants are one platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Platform(&'static str);

/// What is not known to be a platform. What bears the name counts for every host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no platform that is known")]
pub struct UnknownPlatform(String);

impl FromStr for Platform {
    type Err = UnknownPlatform;

    fn from_str(text: &str) -> Result<Self, UnknownPlatform> {
        let variant = |rest: &str| rest.is_empty() || rest.starts_with('/');
        let known = KNOWN.into_iter().find(|it| text.strip_prefix(it).is_some_and(variant));
        known.map(Self).ok_or_else(|| UnknownPlatform(text.to_owned()))
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Platform {
    /// What an engine takes where an index names nothing for its own platform.
    fn second_best(self) -> Option<Self> {
        match self.0 {
            "linux/amd64" => Some(Self("linux/386")),
            "linux/arm64" => Some(Self("linux/arm")),
            _ => None,
        }
    }
}

/// Parts the images of a release: those that hosts of these platforms might run, and those that
/// none of them would.
#[must_use]
pub fn for_hosts(scans: &[Scanned], hosts: &BTreeSet<Platform>) -> (Vec<Scanned>, Vec<Scanned>) {
    let of = |scan: &Scanned| scan.platform.parse::<Platform>().ok();
    let named: BTreeSet<Platform> = scans.iter().filter_map(of).collect();
    let taken = |host: &Platform| {
        [Some(*host), host.second_best()].into_iter().flatten().find(|it| named.contains(it))
    };
    let taken: BTreeSet<Platform> = hosts.iter().filter_map(taken).collect();
    scans.iter().cloned().partition(|scan| of(scan).is_none_or(|it| taken.contains(&it)))
}
