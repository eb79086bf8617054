//! Keeping HAProxy's servers as the targets are, and reading health off them.

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use super::Elb;
use super::health::{Step, next};
use super::model::{HealthCheck, Listener, Seen, Target, TargetGroup, TargetKey};
use super::proxy::{Proxy, ServerRow, millis};
use crate::aws::clock::Moment;
use crate::aws::error::{ApiError, ApiResult};
use crate::aws::guard;

/// A listener's HAProxy with what was done to its servers.
#[derive(Debug)]
pub(super) struct Watched {
    proxy: Proxy,
    /// Servers that take new requests.
    open: BTreeSet<String>,
    /// Servers that were told to drain.
    draining: BTreeSet<String>,
}

impl Elb {
    /// Starts a listener's HAProxy; one that ran before hands over to it.
    pub(super) async fn bring_up(&self, listener: &str) -> ApiResult<()> {
        let Some((port, group)) = self.listener_group(listener) else { return Ok(()) };
        let name = format!("{port}-{}", Moment::now().epoch());
        let second = self.settings.timing.second;
        let places = (self.directory.as_path(), self.settings.runtime_dir.as_path());
        let started = Proxy::start(places, &name, port, &group, second).await;
        let proxy = started.map_err(ApiError::internal)?;
        let watched = Watched { proxy, open: BTreeSet::new(), draining: BTreeSet::new() };
        let mut proxies = self.proxies.lock().await;
        // The new one takes no request before its servers are there.
        let old = proxies.insert(listener.to_owned(), watched);
        drop(proxies);
        self.watch().await;
        if let Some(old) = old {
            old.proxy.retire();
        }
        Ok(())
    }

    fn listener_group(&self, listener: &str) -> Option<(u16, TargetGroup)> {
        let model = guard(&self.model);
        let Listener { port, group, .. } = model.listeners.get(listener)?;
        Some((*port, model.groups.get(group)?.clone()))
    }

    /// Ends a listener's HAProxy.
    pub(super) async fn take_down(&self, listener: &str) {
        if let Some(mut watched) = self.proxies.lock().await.remove(listener) {
            watched.proxy.kill();
        }
    }

    /// Looks at every listener once.
    pub(super) async fn watch(&self) {
        {
            let mut model = guard(&self.model);
            if model.expire(Moment::now()) {
                self.snapshot.save(&*model);
            }
        }
        let mut proxies = self.proxies.lock().await;
        for (listener, watched) in proxies.iter_mut() {
            let Some((_, group)) = self.listener_group(listener) else { continue };
            if let Err(error) = self.align(watched, &group).await {
                tracing::warn!(listener, %error, "HAProxy did not answer");
            }
        }
        let ids = proxies.values().filter_map(|it| it.proxy.process()).collect();
        *guard(&self.process_ids) = ids;
    }

    /// Starts listeners anew whose HAProxy has ended: the services that they stand for do not end.
    pub(super) async fn revive(&self) {
        let mut proxies = self.proxies.lock().await;
        let ended = proxies
            .iter_mut()
            .filter_map(|(listener, watched)| watched.proxy.has_ended().then(|| listener.clone()));
        let ended: Vec<String> = ended.collect();
        proxies.retain(|listener, _| !ended.contains(listener));
        drop(proxies);
        for listener in ended {
            tracing::error!(listener, "HAProxy has ended and is started again");
            if let Err(error) = self.bring_up(&listener).await {
                tracing::error!(listener, error = error.message, "the listener stays down");
            }
        }
    }

    /// Makes one HAProxy's servers what the group's targets are.
    async fn align(&self, watched: &mut Watched, group: &TargetGroup) -> io::Result<()> {
        let rows = watched.proxy.servers().await?;
        for row in &rows {
            if !group.targets.keys().any(|key| key.server() == row.name) {
                watched.remove(&row.name).await?;
            }
        }
        for (key, target) in &group.targets {
            let Some(address) = self.address(group, key) else { continue };
            let name = key.server();
            match rows.iter().find(|row| row.name == name) {
                None if target.draining_until.is_some() => {}
                None => {
                    let second = self.settings.timing.second;
                    let server = server(&group.check, address, key.port, second);
                    watched.add(&name, &server, target.seen == Seen::Healthy).await?;
                    if target.seen == Seen::Nothing {
                        self.see(group, key, target, Seen::Starting { failing_since: None });
                    }
                }
                Some(_) if target.draining_until.is_some() => watched.drain(&name).await?,
                Some(row) => self.judge(watched, group, key, target, row).await?,
            }
        }
        Ok(())
    }

    /// Takes one look at a target's server.
    async fn judge(
        &self,
        watched: &mut Watched,
        group: &TargetGroup,
        key: &TargetKey,
        target: &Target,
        row: &ServerRow,
    ) -> io::Result<()> {
        let patience = self.seconds(group.check.interval);
        let patience = patience.saturating_mul(group.check.unhealthy.saturating_sub(1));
        let step = next(&target.seen, row, Moment::now(), patience);
        let name = key.server();
        if step.first_pass {
            watched.proxy.tell(&[format!("set server targets/{name} health up")]).await?;
        }
        if step.seen.is_settled() {
            watched.open(&name).await?;
        }
        let Step { seen, .. } = step;
        self.see(group, key, target, seen);
        Ok(())
    }

    /// Notes what was seen of a target, unless it was deregistered or registered anew meanwhile.
    fn see(&self, of: &TargetGroup, key: &TargetKey, was: &Target, to: Seen) {
        let mut model = guard(&self.model);
        let target = model.groups.get_mut(&of.arn).and_then(|it| it.targets.get_mut(key));
        let unchanged =
            |it: &&mut Target| it.seen == was.seen && it.draining_until == was.draining_until;
        if let Some(target) = target.filter(unchanged) {
            target.seen = to;
        }
    }

    /// Where a target is reached; an instance by its own network namespace's address.
    fn address(&self, group: &TargetGroup, key: &TargetKey) -> Option<IpAddr> {
        match group.target_type.as_str() {
            "ip" => key.id.parse().ok(),
            _ => self.fleet.machine(&key.id).map(|it| it.entry.address),
        }
    }
}

impl Seen {
    /// Whether the initial checks are over.
    fn is_settled(&self) -> bool {
        matches!(self, Self::Healthy | Self::Unhealthy(_))
    }
}

impl Watched {
    /// Adds a server. It takes nothing before its first check has passed: HAProxy by itself would
    /// send it requests until its first check fails.
    async fn add(&mut self, name: &str, server: &ServerLine, healthy: bool) -> io::Result<()> {
        let ServerLine { address, checks } = server;
        self.draining.remove(name);
        self.open.remove(name);
        let state = if healthy { "ready" } else { "drain" };
        self.proxy
            .tell(&[
                format!("add server open/{name} {address}"),
                format!("add server targets/{name} {address} {checks}"),
                format!("enable health targets/{name}"),
                format!("set server targets/{name} state {state}"),
            ])
            .await
    }

    /// Lets a server take requests.
    async fn open(&mut self, name: &str) -> io::Result<()> {
        self.draining.remove(name);
        if !self.open.insert(name.to_owned()) {
            return Ok(());
        }
        self.set_state(name, "ready").await
    }

    /// Keeps new requests from a server; those that it has are answered.
    async fn drain(&mut self, name: &str) -> io::Result<()> {
        self.open.remove(name);
        if !self.draining.insert(name.to_owned()) {
            return Ok(());
        }
        self.set_state(name, "drain").await
    }

    async fn set_state(&self, name: &str, state: &str) -> io::Result<()> {
        let set = |backend| format!("set server {backend}/{name} state {state}");
        self.proxy.tell(&[set("open"), set("targets")]).await
    }

    /// Removes a server and cuts what it still has. HAProxy refuses while connections end, so the
    /// next look tries again.
    async fn remove(&mut self, name: &str) -> io::Result<()> {
        self.open.remove(name);
        self.draining.remove(name);
        self.set_state(name, "maint").await?;
        for backend in ["open", "targets"] {
            self.proxy
                .tell(&[
                    format!("shutdown sessions server {backend}/{name}"),
                    format!("del server {backend}/{name}"),
                ])
                .await?;
        }
        Ok(())
    }
}

/// A server as `add server` takes it.
struct ServerLine {
    address: String,
    checks: String,
}

fn server(check: &HealthCheck, address: IpAddr, port: u16, second: Duration) -> ServerLine {
    let own_port = check.port.parse::<u16>().map(|it| format!(" port {it}")).unwrap_or_default();
    let interval = millis(check.interval, second);
    let checks =
        format!("check inter {interval} rise {} fall {}{own_port}", check.healthy, check.unhealthy);
    ServerLine { address: format!("{address}:{port}"), checks }
}
