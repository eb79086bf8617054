//! Names in scripts: images have names instead of digests, hosts numbers instead of ids, and what
//! depends on the moment is left out.

use std::collections::BTreeMap;

use esclusa_core::digest::Digest;
use esclusa_core::name::HostId;
use esclusa_core::release::Running;

/// The digest of the image with this name: the same in every script.
pub(crate) fn digest(name: &str) -> Digest {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("sha256:{}", format!("{hash:016x}").repeat(4)).parse().unwrap()
}

/// The host with this number.
pub(crate) fn host(number: usize) -> HostId {
    format!("i-{number:08x}").parse().unwrap()
}

/// The names that a script has given.
#[derive(Debug, Default)]
pub(crate) struct Names {
    images: BTreeMap<Digest, String>,
    /// The hosts' target group.
    pub(crate) group: Option<&'static str>,
}

impl Names {
    /// The digest of an image, whose name is known from now on.
    pub(crate) fn image(&mut self, name: &str) -> Digest {
        let digest = digest(name);
        self.images.insert(digest.clone(), name.to_owned());
        digest
    }

    pub(crate) fn knows(&self, name: &str) -> bool {
        self.images.values().any(|it| it == name)
    }

    /// What an image is called.
    pub(crate) fn of(&self, digest: &Digest) -> String {
        self.images.get(digest).cloned().unwrap_or_else(|| digest.short().to_owned())
    }

    pub(crate) fn of_running(&self, running: &Running) -> String {
        match running {
            Running::Nothing => "nothing".to_owned(),
            Running::Mixed => "several images".to_owned(),
            Running::Digest(digest) | Running::Local(digest) => self.of(digest),
        }
    }

    /// A text of Esclusa's in the words of scripts.
    pub(crate) fn plain(&self, text: &str) -> String {
        let told = text.replacen(": acme/boletos in production: ", ": ", 1);
        let mut text = told;
        for (digest, name) in &self.images {
            for label in [name.as_str(), "latest"] {
                text = text.replace(&format!("{label} ({})", digest.short()), name);
            }
            text = text.replace(digest.as_str(), name).replace(digest.short(), name);
        }
        if let Some(group) = self.group {
            text = text.replace(group, "the target group");
        }
        for number in 1..=20 {
            text = text.replace(host(number).as_str(), &format!("host-{number}"));
        }
        without_moments(&text)
    }
}

/// A text in which instants stand only if they are whole hours, as those of a freeze are, and
/// what was measured does not stand at all.
fn without_moments(text: &str) -> String {
    const FORM: &str = "0000-00-00T00:00:00Z";
    let like = |word: &str| {
        let alike = |(it, form): (u8, u8)| {
            if form == b'0' { it.is_ascii_digit() } else { it == form }
        };
        word.len() == FORM.len() && word.bytes().zip(FORM.bytes()).all(alike)
    };
    let mut plain = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        match rest.get(..FORM.len()).filter(|it| like(it)) {
            Some(moment) if moment.ends_with(":00:00Z") => {
                plain.push_str(moment);
                rest = &rest[FORM.len()..];
            }
            Some(_) => {
                plain.push_str("<time>");
                rest = &rest[FORM.len()..];
            }
            None => {
                plain.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    match plain.split_once("it was away for ") {
        Some((before, _)) => format!("{before}it was away for <span>"),
        None => plain,
    }
}
