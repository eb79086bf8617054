//! The clock of the function.

use std::time::{SystemTime, UNIX_EPOCH};

use esclusa_core::time::Timestamp;
use esclusa_shell::ports::Clock;

use crate::Aws;

impl<M> Clock for Aws<M> {
    fn now(&self) -> Timestamp {
        now()
    }
}

pub(crate) fn now() -> Timestamp {
    // Before 1970 the clock is wrong anyway, and every lease would be taken for a future one.
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(0).after(since)
}
