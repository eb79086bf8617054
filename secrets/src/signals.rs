//! Signals that end this program while it resolves.
//!
//! The default actions of signals do not apply to the first process of a container: without a
//! handler it would go on as if nothing had been said.

use std::{fs, io};

use futures_util::FutureExt as _;
use futures_util::future::{self, select_all};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that are ignored, one bit each, from a process's status.
fn ignored(status: &str) -> u64 {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|it| u64::from_str_radix(it.trim(), 16).ok()).unwrap_or(0)
}

/// What a shell adds to a signal's number to make an exit code.
const BASE: u8 = 128;

/// Handlers of the signals with which a container is stopped.
pub(crate) struct Signals {
    handlers: Vec<(u8, Signal)>,
}

impl Signals {
    /// Installs the handlers. What this program was told to ignore (`nohup`), the application is to
    /// ignore too.
    ///
    /// # Errors
    ///
    /// When the kernel refuses one.
    pub(crate) fn install() -> io::Result<Self> {
        let kinds = [
            SignalKind::hangup(),
            SignalKind::interrupt(),
            SignalKind::quit(),
            SignalKind::terminate(),
        ];
        let ignored = ignored(&fs::read_to_string("/proc/self/status").unwrap_or_default());
        let handlers = kinds.into_iter().map(|kind| kind.as_raw_value()).filter_map(|number| {
            let kind = SignalKind::from_raw(number);
            let number = u8::try_from(number).ok()?;
            let bit = 1_u64.checked_shl(u32::from(number.saturating_sub(1)))?;
            let handler = || Ok((BASE.saturating_add(number), signal(kind)?));
            (ignored & bit == 0).then(handler)
        });
        Ok(Self { handlers: handlers.collect::<io::Result<_>>()? })
    }

    /// Does the work unless a signal comes before its end.
    ///
    /// # Errors
    ///
    /// The exit code that belongs to the signal.
    pub(crate) async fn interrupt<T>(&mut self, work: impl Future<Output = T>) -> Result<T, u8> {
        tokio::select! {
            biased;
            code = self.wait_for_signal() => Err(code),
            done = work => Ok(done),
        }
    }

    /// Waits for a signal and returns the exit code that belongs to it.
    async fn wait_for_signal(&mut self) -> u8 {
        let waiting = self.handlers.iter_mut().map(|(code, handler)| {
            Box::pin(async {
                handler.recv().await;
                *code
            })
        });
        let waiting: Vec<_> = waiting.collect();
        if waiting.is_empty() {
            return future::pending().await;
        }
        let (code, _, _) = select_all(waiting).await;
        code
    }

    /// The exit code of a signal that came meanwhile.
    pub(crate) async fn pending(&mut self) -> Option<u8> {
        // Gives the runtime a turn to see what came.
        tokio::task::yield_now().await;
        self.wait_for_signal().now_or_never()
    }
}
