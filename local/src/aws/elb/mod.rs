//! Elastic Load Balancing, version 2: the control plane over HAProxy.

mod answers;
mod balancers;
mod groups;
mod health;
mod model;
mod proxy;
mod settings;
mod targets;
mod watch;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Mutex as AsyncMutex, Notify};
use tokio::task::JoinHandle;

use super::error::{ApiError, ApiResult};
use super::fleet::Fleet;
use super::query::Params;
use super::store::Snapshot;
use super::xml::Xml;
use super::{Settings, guard, processes};
use model::Model;
use watch::Watched;

/// The service.
pub(crate) struct Elb {
    settings: Settings,
    fleet: Arc<Fleet>,
    snapshot: Snapshot,
    directory: PathBuf,
    model: Mutex<Model>,
    /// By listener.
    proxies: AsyncMutex<BTreeMap<String, Watched>>,
    process_ids: Mutex<Vec<u32>>,
    changed: Notify,
    watcher: Mutex<Option<JoinHandle<()>>>,
}

impl Elb {
    /// Starts with the state that was saved last; [`Elb::resume`] brings up its listeners.
    pub(crate) fn open(settings: Settings, fleet: Arc<Fleet>) -> std::io::Result<Self> {
        let snapshot = Snapshot::new(&settings.state_dir, "elb.json");
        let directory = settings.state_dir.join("haproxy");
        fs::create_dir_all(&directory)?;
        Ok(Self {
            model: Mutex::new(snapshot.load()?.unwrap_or_default()),
            settings,
            fleet,
            snapshot,
            directory,
            proxies: AsyncMutex::default(),
            process_ids: Mutex::default(),
            changed: Notify::new(),
            watcher: Mutex::default(),
        })
    }

    /// Brings up the listeners of the saved state and starts watching targets.
    pub(crate) async fn resume(self: &Arc<Self>) {
        processes::kill_proxies(&self.directory);
        let listeners: Vec<String> = guard(&self.model).listeners.keys().cloned().collect();
        for arn in listeners {
            if let Err(error) = self.bring_up(&arn).await {
                tracing::error!(listener = arn, error = error.message, "a listener is down");
            }
        }
        // The watcher must not keep the service alive: the service ends it.
        let weak = Arc::downgrade(self);
        let pause = self.settings.timing.second.div_f64(5.0).max(Duration::from_millis(20));
        let watcher = tokio::spawn(async move {
            while let Some(elb) = weak.upgrade() {
                elb.revive().await;
                elb.watch().await;
                tokio::select! {
                    () = elb.changed.notified() => {}
                    () = tokio::time::sleep(pause) => {}
                }
            }
        });
        *guard(&self.watcher) = Some(watcher);
    }

    /// Ends every HAProxy.
    pub(crate) fn stop(&self) {
        if let Some(watcher) = guard(&self.watcher).take() {
            watcher.abort();
        }
        processes::kill_proxies(&self.directory);
    }

    /// The HAProxy processes at the moment.
    pub(crate) fn processes(&self) -> Vec<u32> {
        guard(&self.process_ids).clone()
    }

    /// Carries out one operation.
    pub(crate) async fn call(&self, operation: &str, params: &Params) -> ApiResult<Vec<Xml>> {
        match operation {
            "CreateLoadBalancer" => self.create_balancer(params),
            "DescribeLoadBalancers" => self.describe_balancers(params),
            "DeleteLoadBalancer" => self.delete_balancer(params).await,
            "CreateListener" => self.create_listener(params).await,
            "DescribeListeners" => self.describe_listeners(params),
            "DeleteListener" => self.delete_listener(params).await,
            "ModifyTargetGroup" => self.modify_group(params).await,
            other => self.call_on_group(other, params),
        }
    }

    fn call_on_group(&self, operation: &str, params: &Params) -> ApiResult<Vec<Xml>> {
        match operation {
            "CreateTargetGroup" => self.create_group(params),
            "DescribeTargetGroups" => self.describe_groups(params),
            "DeleteTargetGroup" => self.delete_group(params),
            "DescribeTargetGroupAttributes" => self.describe_attributes(params),
            "ModifyTargetGroupAttributes" => self.modify_attributes(params),
            "RegisterTargets" => self.register(params),
            "DeregisterTargets" => self.deregister(params),
            "DescribeTargetHealth" => self.describe_health(params),
            "DescribeTags" => Ok(self.describe_tags(params)),
            "AddTags" => self.add_tags(params),
            other => {
                let message = format!("Could not find operation {other} for version 2015-12-01");
                Err(ApiError::client("InvalidAction", message))
            }
        }
    }

    fn arn(&self, rest: &str) -> String {
        let Settings { account, region, .. } = &self.settings;
        format!("arn:aws:elasticloadbalancing:{region}:{account}:{rest}")
    }

    /// So many of AWS's seconds.
    fn seconds(&self, count: u64) -> Duration {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.settings.timing.second.saturating_mul(count)
    }

    /// Saves, and lets the watcher act on what changed.
    fn saved(&self, model: &Model) {
        self.snapshot.save(model);
        self.changed.notify_one();
    }
}

/// A parameter that load balancing refuses.
fn invalid(message: impl std::fmt::Display) -> ApiError {
    ApiError::client("ValidationError", message)
}
