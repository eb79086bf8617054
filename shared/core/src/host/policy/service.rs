//! What a service may be given.

use serde_json::Value;

use super::{At, entries, is_nothing, items, reads_files, text};

const OWNS_THE_HOST: &str = "what runs in it then owns the host";
const SEES_THE_HOST: &str = "it then shares what keeps containers and the host apart";
const OTHERS: &str = "it then reaches what is another service's";
const RUNS_ON_THE_HOST: &str = "it then runs or reads something of the host";
const STARVES: &str = "it can then take from others what they need to run";

pub(super) fn review_all(services: &Value, at: &mut At<'_>) {
    for (name, service) in entries(services) {
        at.enter(name);
        for (key, value) in entries(service) {
            review_key(key, value, at);
        }
    }
}

fn review_key(key: &str, value: &Value, at: &mut At<'_>) {
    if is_nothing(value) || concerns_itself(key) {
        return;
    }
    match key {
        "privileged" | "use_api_socket" | "device_cgroup_rules" => {
            at.demand(key, key.to_owned(), OWNS_THE_HOST);
        }
        "cap_add" => at.demand_each(key, items(value).map(text).collect(), OWNS_THE_HOST),
        "devices" => at.demand_each(key, items(value).map(device).collect(), OWNS_THE_HOST),
        "pid" | "ipc" | "uts" | "userns_mode" | "cgroup" | "network_mode" => {
            review_namespace(key, value, at);
        }
        "volumes" => items(value).for_each(|it| review_mount(it, at)),
        "volumes_from" => {
            let others = items(value).map(text).filter(|it| it.starts_with("container:"));
            at.demand_each(key, others.collect(), OTHERS);
        }
        "external_links" => at.demand_each(key, items(value).map(text).collect(), OTHERS),
        "security_opt" => {
            let kept = ["no-new-privileges", "no-new-privileges:true", "no-new-privileges=true"];
            let other = items(value).map(text).filter(|it| !kept.contains(&it.as_str()));
            at.demand_each(key, other.collect(), SEES_THE_HOST);
        }
        "sysctls" => {
            let other = entries(value).map(|(name, _)| name.clone());
            at.demand_each(key, other.filter(|it| !is_namespaced(it)).collect(), SEES_THE_HOST);
        }
        "logging" => review_logging(value, at),
        "deploy" => review_deploy(value, at),
        "post_start" | "pre_stop" => {
            if items(value).any(|it| it.get("privileged").is_some_and(|it| !is_nothing(it))) {
                at.demand(key, format!("{key}.privileged"), OWNS_THE_HOST);
            }
        }
        "oom_score_adj" if value.as_i64().is_some_and(|it| it >= 0) => {}
        "oom_score_adj" | "oom_kill_disable" => at.demand(key, key.to_owned(), STARVES),
        "provider" | "runtime" | "cgroup_parent" | "credential_spec" | "gpus" => {
            at.demand(key, key.to_owned(), RUNS_ON_THE_HOST);
        }
        other => at.unknown(other, value),
    }
}

/// Keys that concern nothing but the service's own containers, whatever they are given.
const HARMLESS: &[&str] = &[
    "attach",
    "blkio_config",
    "build",
    "cap_drop",
    "command",
    "configs",
    "container_name",
    "cpu_count",
    "cpu_percent",
    "cpu_period",
    "cpu_quota",
    "cpu_shares",
    "cpus",
    "cpuset",
    "depends_on",
    "develop",
    "dns",
    "dns_opt",
    "dns_search",
    "domainname",
    "entrypoint",
    "environment",
    "expose",
    "extra_hosts",
    "group_add",
    "healthcheck",
    "hostname",
    "image",
    "init",
    "labels",
    "links",
    "mac_address",
    "mem_limit",
    "mem_reservation",
    "mem_swappiness",
    "memswap_limit",
    "networks",
    "pids_limit",
    "platform",
    "ports",
    "profiles",
    "pull_policy",
    "read_only",
    "restart",
    "scale",
    "secrets",
    "shm_size",
    "stdin_open",
    "stop_grace_period",
    "stop_signal",
    "storage_opt",
    "tmpfs",
    "tty",
    "ulimits",
    "user",
    "working_dir",
];

/// Whether a key is harmless. Those that have Compose read files were looked at before it did.
fn concerns_itself(key: &str) -> bool {
    HARMLESS.contains(&key) || reads_files(key)
}

/// Namespaces: its own, or those of another service of the file.
fn review_namespace(key: &str, value: &Value, at: &mut At<'_>) {
    let value = text(value);
    let own = matches!(value.as_str(), "private" | "shareable" | "none" | "bridge" | "default");
    if own || value.starts_with("service:") {
        return;
    }
    let because = if value == "host" { SEES_THE_HOST } else { OTHERS };
    at.demand(key, format!("{key}={value}"), because);
}

fn device(value: &Value) -> String {
    value.get("source").map_or_else(|| text(value), text)
}

fn review_mount(mount: &Value, at: &mut At<'_>) {
    let field = |name: &str| mount.get(name).map(text).unwrap_or_default();
    match field("type").as_str() {
        "volume" | "tmpfs" | "image" => {}
        "bind" => {
            let source = field("source");
            if !at.paths.is_own(&source) {
                let because = "what it contains is then open to the container";
                at.demand("volumes", format!("volumes={source}"), because);
            }
            let spread = mount.pointer("/bind/propagation").map(text).unwrap_or_default();
            if !matches!(spread.as_str(), "" | "private" | "rprivate") {
                at.demand("volumes", format!("propagation={spread}"), SEES_THE_HOST);
            }
        }
        other => at.demand("volumes", format!("volumes.type={other}"), RUNS_ON_THE_HOST),
    }
}

/// What the engine lets each container have of its own.
fn is_namespaced(name: &str) -> bool {
    const OF_IPC: [&str; 8] = [
        "kernel.msgmax",
        "kernel.msgmnb",
        "kernel.msgmni",
        "kernel.sem",
        "kernel.shmall",
        "kernel.shmmax",
        "kernel.shmmni",
        "kernel.shm_rmid_forced",
    ];
    name.starts_with("net.") || name.starts_with("fs.mqueue.") || OF_IPC.contains(&name)
}

/// Drivers that keep logs on the host or bring them to AWS; others open what their options name.
fn review_logging(logging: &Value, at: &mut At<'_>) {
    let driver = logging.get("driver").map(text).unwrap_or_default();
    if !matches!(driver.as_str(), "" | "awslogs" | "json-file" | "local" | "journald" | "none") {
        at.demand("logging", format!("logging.driver={driver}"), RUNS_ON_THE_HOST);
    }
}

fn review_deploy(deploy: &Value, at: &mut At<'_>) {
    let devices = deploy.pointer("/resources/reservations/devices");
    if devices.is_some_and(|it| !is_nothing(it)) {
        at.demand("deploy", "deploy.resources.reservations.devices".to_owned(), RUNS_ON_THE_HOST);
    }
}
