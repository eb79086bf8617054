//! What root writes for the user who called sudo belongs to that user.

use std::fs;
use std::io;
use std::os::unix::fs::lchown;
use std::path::{Path, PathBuf};

use nix::unistd::{Uid, User, geteuid};

/// The user and group who called sudo; none when nobody did.
fn caller() -> Option<(u32, u32)> {
    if !geteuid().is_root() {
        return None;
    }
    let number = |name: &str| std::env::var(name).ok()?.parse::<u32>().ok();
    Some((number("SUDO_UID")?, number("SUDO_GID")?)).filter(|(user, _)| *user != 0)
}

/// The home directory of the user who called sudo, else of the user who runs this.
#[must_use]
pub fn home() -> Option<PathBuf> {
    let user = caller().map_or_else(geteuid, |(user, _)| Uid::from_raw(user));
    User::from_uid(user).ok().flatten().map(|user| user.dir)
}

/// Gives a file, or a directory with all that is in it, to the user who called sudo.
///
/// # Errors
///
/// When the owner of one of them cannot be changed.
pub fn hand_over(path: &Path) -> io::Result<()> {
    caller().map_or(Ok(()), |owner| hand_over_to(path, owner))
}

fn hand_over_to(path: &Path, (user, group): (u32, u32)) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() {
        for entry in fs::read_dir(path)? {
            hand_over_to(&entry?.path(), (user, group))?;
        }
    }
    lchown(path, Some(user), Some(group))
}

/// Makes a directory and those above it that are missing; the new ones belong to the caller.
///
/// # Errors
///
/// When one cannot be made or handed over.
pub fn make_directory(path: &Path) -> io::Result<()> {
    let missing = path.ancestors().take_while(|it| !it.exists()).last().map(Path::to_owned);
    fs::create_dir_all(path)?;
    missing.map_or(Ok(()), |first| hand_over(&first))
}

/// Writes a file of the caller's in a directory of the caller's.
///
/// # Errors
///
/// When it cannot be written or handed over.
pub fn write(path: &Path, text: &str) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        make_directory(directory)?;
    }
    // A link in its place is replaced, not followed: root shall write here and nowhere else.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = fs::File::create_new(path)?;
    io::Write::write_all(&mut file, text.as_bytes())?;
    hand_over(path)
}
