//! The files of the project, as git knows them.

use std::path::PathBuf;
use std::process::Command;

use esclusa_local::places::tested_checkout;

/// The project's folder.
pub(crate) fn root() -> PathBuf {
    tested_checkout()
}

/// Every file that git tracks or would, whose name ends so, with its text.
pub(crate) fn files(endings: &[&str]) -> Vec<(String, String)> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .expect("git lists the files");
    let names = String::from_utf8(listed.stdout).unwrap();
    let wanted = |name: &&str| endings.iter().any(|ending| name.ends_with(ending));
    let mut files = Vec::new();
    for name in names.lines().filter(wanted) {
        if let Ok(text) = std::fs::read_to_string(root().join(name)) {
            files.push((name.to_owned(), text));
        }
    }
    assert!(!files.is_empty(), "no file ends in {endings:?}");
    files
}
