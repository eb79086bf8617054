//! Files in memory: the check of their directory, and writing them.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::sys::statfs::{FsType, TMPFS_MAGIC, statfs};
use nix::unistd::{AccessFlags, access, getegid, geteuid};

use crate::fault::{Fault, Place};
use crate::request::FileName;
use crate::secret::Secret;

/// The other file system that is memory; libc has no name for it.
const RAMFS_MAGIC: FsType = FsType(0x8584_58f6);

/// Lists the files of the last start, so that no other file is ever removed.
const LIST: &str = ".esclusa-secrets";

/// A file that is not complete yet.
const UNFINISHED: &str = ".esclusa-secrets.new";

/// The directory that files go to.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
}

/// Checks the directory without changing anything.
///
/// # Errors
///
/// When it is not in memory or belongs to another user, with what to write into the Compose file.
pub(crate) fn check(path: &Path) -> Result<Directory, Fault> {
    let user = geteuid();
    let refuse = |problem: String| {
        let line = compose_line(path);
        let text = format!("{problem}; write `{line}` below the service in the Compose file");
        Fault::configuration(&place(path), text)
    };
    // One that is missing is made, in a directory that exists.
    let existing = path.ancestors().find(|it| it.exists()).unwrap_or(Path::new("/"));
    let examined = statfs(existing).map_err(io::Error::from);
    let examined = examined.and_then(|system| Ok((system, fs::metadata(existing)?)));
    let (system, metadata) =
        examined.map_err(|error| refuse(format!("it cannot be examined: {error}")))?;
    let kind = system.filesystem_type();
    if kind != TMPFS_MAGIC && kind != RAMFS_MAGIC {
        return Err(refuse("it lies on a disk, not in memory".to_owned()));
    }
    if !metadata.is_dir() {
        return Err(refuse("it is not a directory".to_owned()));
    }
    // Without `uid` Docker mounts a tmpfs that everybody can write at the first start of a
    // container, and one that only root can write at each later start. The first start is refused.
    let owner = metadata.uid();
    if existing == path && owner != user.as_raw() {
        return Err(refuse(format!(
            "it belongs to user {owner}, and the container runs as {user}"
        )));
    }
    if access(existing, AccessFlags::W_OK | AccessFlags::X_OK).is_err() {
        return Err(refuse(format!("user {user} cannot write there")));
    }
    Ok(Directory { path: path.to_owned() })
}

/// What mounts the directory for the user that this process runs as.
fn compose_line(path: &Path) -> String {
    let (path, user, group) = (path.display(), geteuid(), getegid());
    if user.is_root() {
        return format!("tmpfs: [{path}]");
    }
    format!("tmpfs: [\"{path}:uid={user},gid={group},mode=0700\"]")
}

fn place(path: &Path) -> Place {
    Place::Thing(format!("directory `{}`", path.display()))
}

impl Directory {
    /// The path of a file.
    pub(crate) fn path_of(&self, name: &FileName) -> PathBuf {
        self.path.join(name.as_str())
    }

    /// Writes the files, each whole or not at all, and removes those of an earlier start.
    ///
    /// # Errors
    ///
    /// What could not be written; then none of the files is left.
    pub(crate) fn write(&self, files: &BTreeMap<FileName, Secret>) -> Result<(), Fault> {
        self.write_all(files).map_err(|(path, error)| {
            self.remove(files.keys());
            let hint = if error.kind() == ErrorKind::StorageFull {
                "; give the tmpfs more room with `size=`"
            } else if error.kind() == ErrorKind::ResourceBusy {
                "; something else is mounted there, remove it"
            } else {
                ""
            };
            let text = format!("cannot be written: {error}{hint}");
            Fault::configuration(&Place::Thing(format!("file `{}`", path.display())), text)
        })
    }

    fn write_all(&self, files: &BTreeMap<FileName, Secret>) -> Result<(), (PathBuf, io::Error)> {
        let at = |path: PathBuf| move |error| (path, error);
        self.prepare().map_err(at(self.path.clone()))?;
        let list = self.path.join(LIST);
        for name in read_list(&list).map_err(at(list.clone()))? {
            if !files.contains_key(&name) {
                let path = self.path_of(&name);
                remove_file(&path).map_err(at(path))?;
            }
        }
        // The list comes first: whatever a start that is cut off leaves is on it.
        let names: Vec<&str> = files.keys().map(FileName::as_str).collect();
        self.replace_file(&list, names.join("\n").as_bytes()).map_err(at(list))?;
        for (name, value) in files {
            let path = self.path_of(name);
            self.replace_file(&path, value.as_bytes()).map_err(at(path))?;
        }
        Ok(())
    }

    /// Makes the directory and closes it to others.
    fn prepare(&self) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.path)?;
        fs::set_permissions(&self.path, Permissions::from_mode(0o700))
    }

    /// Replaces a file at once: readers see the old one or the whole new one.
    fn replace_file(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let unfinished = self.path.join(UNFINISHED);
        remove_file(&unfinished)?;
        // `create_new` follows no link that somebody put there.
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o400).open(&unfinished)?;
        file.set_permissions(Permissions::from_mode(0o400))?;
        file.write_all(bytes)?;
        fs::rename(&unfinished, path)
    }

    /// Removes files of this start, as far as that is possible.
    pub(crate) fn remove<'n>(&self, names: impl Iterator<Item = &'n FileName>) {
        for name in names {
            let _may_remain = remove_file(&self.path_of(name));
        }
        for own in [UNFINISHED, LIST] {
            let _may_remain = remove_file(&self.path.join(own));
        }
    }
}

/// The files of the last start; none where there was no start.
fn read_list(list: &Path) -> io::Result<Vec<FileName>> {
    match fs::read_to_string(list) {
        Ok(text) => Ok(text.lines().filter_map(|line| FileName::parse(line).ok()).collect()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
