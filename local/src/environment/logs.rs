//! The logs of every part by its name, the functions' included.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::error::{EnvironmentError, io_at};
use super::{Environment, calls, preflight};

/// How often a followed log is looked at.
const PAUSE: Duration = Duration::from_millis(500);

/// Whether to end at the end of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Follow {
    /// End there.
    No,
    /// Wait for more until the process is ended.
    Yes,
}

/// What containers say whose hosts send it to CloudWatch.
const CONTAINERS: &str = "containers";

impl Environment {
    /// The names of the parts that have logs.
    #[must_use]
    pub fn log_names(&self) -> Vec<String> {
        let files = self.log_files().into_keys();
        let groups = preflight::FUNCTIONS.into_iter().chain([CONTAINERS]).map(str::to_owned);
        files.chain(groups).collect()
    }

    /// The parts' files, the load balancers' among them, which come and go.
    fn log_files(&self) -> BTreeMap<String, PathBuf> {
        let mut files = self.record.logs.clone();
        let balancers = std::fs::read_dir(self.state.join("control/haproxy"));
        let found = balancers.into_iter().flatten().flatten().map(|entry| entry.path());
        for path in found.filter(|path| path.extension().is_some_and(|it| it == "log")) {
            let port = path.file_stem().unwrap_or_default().to_string_lossy();
            files.insert(format!("balancer-{port}"), path.clone());
        }
        files
    }

    /// Writes the log of a part to `out`.
    ///
    /// # Errors
    ///
    /// [`EnvironmentError::UnknownPart`] for a name that is none; else what cannot be read.
    pub async fn logs(
        &self,
        part: &str,
        follow: Follow,
        out: &mut (dyn Write + Send),
    ) -> Result<(), EnvironmentError> {
        if let Some(path) = self.log_files().get(part) {
            return file(path, follow, out).await;
        }
        if preflight::FUNCTIONS.contains(&part) {
            let group = format!("/aws/lambda/{}", self.record.function_name(part));
            return self.group(&group, follow, out).await;
        }
        if part == CONTAINERS {
            let group = self.record.outputs.get("ContainerLogs").map_or("", String::as_str);
            return self.group(group, follow, out).await;
        }
        let known = self.log_names().join(", ");
        Err(EnvironmentError::UnknownPart { name: part.to_owned(), known })
    }

    /// What a log group of CloudWatch holds.
    async fn group(
        &self,
        group: &str,
        follow: Follow,
        out: &mut (dyn Write + Send),
    ) -> Result<(), EnvironmentError> {
        let mut seen = BTreeSet::new();
        let mut since = 0;
        loop {
            for event in self.log_events(group, since).await? {
                let text = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default();
                // MiniStack gives events no id of their own; stream, time and text are one.
                if seen.insert(event.to_string()) {
                    writeln!(out, "{}", text("message").trim_end())
                        .map_err(io_at("print", Path::new(group)))?;
                    since = event.get("timestamp").and_then(Value::as_i64).unwrap_or(since);
                }
            }
            if follow == Follow::No {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Everything that a log group holds from `since` on, in milliseconds since the Unix epoch.
    async fn log_events(&self, group: &str, since: i64) -> Result<Vec<Value>, EnvironmentError> {
        let target = "Logs_20140328.FilterLogEvents";
        let mut events = Vec::new();
        let mut token = Value::Null;
        loop {
            let mut request = json!({ "logGroupName": group, "startTime": since });
            if let (Some(members), Value::String(_)) = (request.as_object_mut(), &token) {
                members.insert("nextToken".to_owned(), token.clone());
            }
            let mut page = calls::json(&self.record, "logs", target, &request).await?;
            if let Some(Value::Array(some)) = page.get_mut("events").map(Value::take) {
                events.extend(some);
            }
            token = page.get_mut("nextToken").map_or(Value::Null, Value::take);
            if token.is_null() {
                return Ok(events);
            }
        }
    }
}

async fn file(
    path: &Path,
    follow: Follow,
    out: &mut (dyn Write + Send),
) -> Result<(), EnvironmentError> {
    let mut at = 0;
    loop {
        let mut open = std::fs::File::open(path).map_err(io_at("read", path))?;
        open.seek(SeekFrom::Start(at)).map_err(io_at("read", path))?;
        let mut text = Vec::new();
        let count = open.read_to_end(&mut text).map_err(io_at("read", path))?;
        at = at.saturating_add(u64::try_from(count).unwrap_or(0));
        out.write_all(&text).and_then(|()| out.flush()).map_err(io_at("print", path))?;
        if follow == Follow::No {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
}
