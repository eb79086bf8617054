//! Writing files whole or not at all.

use std::fs::{self, File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;

use esclusa_core::reason::Reason;

use crate::error::of_file;

/// Replaces a file: a reader sees the old text or the new one, also after a power cut.
///
/// # Errors
///
/// `hosts.disk` when there is no room or no writing, else `hosts.state`.
pub(crate) fn replace_file(
    path: &Path,
    text: &str,
    mode: u32,
    owner: Option<(u32, u32)>,
) -> Result<(), Reason> {
    let mut name = path.as_os_str().to_owned();
    name.push(".esclusa");
    let beside = Path::new(&name);
    let written = || -> std::io::Result<()> {
        let mut file = File::create(beside)?;
        file.set_permissions(Permissions::from_mode(mode))?;
        if let Some((user, group)) = owner {
            chown(beside, Some(user), Some(group))?;
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(beside, path)
    };
    written().map_err(|error| {
        let _half_written = fs::remove_file(beside);
        of_file("write", path, &error)
    })
}

/// Sets the mode of a file or a directory.
pub(super) fn set_mode(path: &Path, mode: u32) -> Result<(), Reason> {
    fs::set_permissions(path, Permissions::from_mode(mode))
        .map_err(|error| of_file("set the mode of", path, &error))
}
