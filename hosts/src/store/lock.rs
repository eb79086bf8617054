//! One order of a service at a time, and one order in a directory at a time.

use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::time::Duration;

use esclusa_core::reason::Reason;
use nix::fcntl::{FcntlArg, FdFlag, Flock, FlockArg, fcntl};
use tokio::time::{Instant, sleep};

use crate::error::{of_file, reason};

/// Held until it is dropped, and by every tool that was started meanwhile: one that outlives a
/// killed order still keeps others away.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: Flock<File>,
}

impl Lock {
    /// Takes the lock of a file or a directory.
    ///
    /// # Errors
    ///
    /// `order.busy` when another has it for the whole of `patience`.
    pub(crate) async fn take(
        path: &Path,
        patience: Duration,
        service: &str,
    ) -> Result<Self, Reason> {
        let opened = if path.is_dir() {
            File::open(path)
        } else {
            File::options().create(true).append(true).open(path)
        };
        let mut file = opened.map_err(|it| of_file("lock", path, &it))?;
        let _kept_by_tools = fcntl(&file, FcntlArg::F_SETFD(FdFlag::empty()));
        let began = Instant::now();
        loop {
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(file) => return Ok(Self { _file: file }),
                Err((back, _)) if began.elapsed() < patience => {
                    debug_assert!(back.as_raw_fd() >= 0, "a file that is open");
                    file = back;
                    sleep(Duration::from_millis(50)).await;
                }
                Err(_) => {
                    let text = format!(
                        "Another order for {service} is being carried out on this host: try later."
                    );
                    return Err(reason("order.busy", text));
                }
            }
        }
    }
}
