//! Registering and deregistering targets, and how they fare.

use super::Elb;
use super::model::{Failure, Model, Seen, Target, TargetGroup, TargetKey};
use super::settings::DELAY;
use crate::aws::clock::Moment;
use crate::aws::error::{ApiError, ApiResult};
use crate::aws::fleet::Power;
use crate::aws::guard;
use crate::aws::query::Params;
use crate::aws::xml::Xml;

/// How a target fares, in the API's words.
struct Health {
    state: &'static str,
    reason: &'static str,
    description: String,
}

impl Health {
    fn of(state: &'static str, reason: &'static str, description: &str) -> Self {
        Self { state, reason, description: description.to_owned() }
    }
}

impl Elb {
    pub(super) fn register(&self, params: &Params) -> ApiResult<Vec<Xml>> {
        let mut model = guard(&self.model);
        let group = model.group_mut(params.required("TargetGroupArn")?)?;
        let keys = keys(group, params)?;
        for key in &keys {
            self.check_target(group, key)?;
        }
        for key in keys {
            let target = group.targets.entry(key).or_insert_with(Target::new);
            // Registering what drains ends the draining; what is registered stays as it is.
            if target.draining_until.take().is_some() {
                target.seen = Seen::Starting { failing_since: None };
            }
        }
        self.saved(&model);
        Ok(Vec::new())
    }

    fn check_target(&self, group: &TargetGroup, key: &TargetKey) -> ApiResult<()> {
        let valid = match group.target_type.as_str() {
            "ip" => key.id.parse::<std::net::Ipv4Addr>().is_ok(),
            _ => self.fleet.machine(&key.id).is_some_and(|it| it.power == Power::Running),
        };
        if valid {
            return Ok(());
        }
        let message = format!("The following targets are not in a running state: '{}'", key.id);
        Err(ApiError::client("InvalidTarget", message))
    }

    /// What is not registered is left alone. A target that gets no traffic goes at once.
    pub(super) fn deregister(&self, params: &Params) -> ApiResult<Vec<Xml>> {
        let arn = params.required("TargetGroupArn")?;
        let mut model = guard(&self.model);
        let used = model.is_used(arn);
        let group = model.group_mut(arn)?;
        let delay = group.attributes.get(DELAY).and_then(|it| it.parse().ok()).unwrap_or(300);
        let until = Moment::now().plus(self.seconds(delay));
        for key in keys(group, params)? {
            if delay == 0 || !used {
                group.targets.remove(&key);
            } else if let Some(target) = group.targets.get_mut(&key) {
                target.draining_until.get_or_insert(until);
            }
        }
        self.saved(&model);
        Ok(Vec::new())
    }

    pub(super) fn describe_health(&self, params: &Params) -> ApiResult<Vec<Xml>> {
        let arn = params.required("TargetGroupArn")?;
        let mut model = guard(&self.model);
        model.expire(Moment::now());
        let group = model.group(arn)?;
        let named = keys(group, params)?;
        let all = || group.targets.keys().cloned().collect();
        let keys: Vec<TargetKey> = if named.is_empty() { all() } else { named };
        let describe = |key: &TargetKey| {
            let health = self.health(&model, group, key);
            describe(group, key, &health)
        };
        Ok(vec![Xml::list("TargetHealthDescriptions", keys.iter().map(describe))])
    }

    fn health(&self, model: &Model, group: &TargetGroup, key: &TargetKey) -> Health {
        let Some(target) = group.targets.get(key) else {
            let text = "Target is not registered to the target group";
            return Health::of("unused", "Target.NotRegistered", text);
        };
        if let Some(state) = self.off_state(group, key) {
            let text = format!("Target is in the {state} state");
            return Health::of("unused", "Target.InvalidState", &text);
        }
        if target.draining_until.is_some() {
            let text = "Target deregistration is in progress";
            return Health::of("draining", "Target.DeregistrationInProgress", text);
        }
        if !model.is_used(&group.arn) {
            let text = "Target group is not configured to receive traffic from the load balancer";
            return Health::of("unused", "Target.NotInUse", text);
        }
        if !group.check.enabled {
            let text = "Health checks are disabled";
            return Health::of("unavailable", "Target.HealthCheckDisabled", text);
        }
        seen(&target.seen)
    }

    fn off_state(&self, group: &TargetGroup, key: &TargetKey) -> Option<&'static str> {
        if group.target_type != "instance" {
            return None;
        }
        match self.fleet.machine(&key.id).map(|it| it.power) {
            Some(Power::Running) => None,
            Some(Power::Stopped) => Some("stopped"),
            Some(Power::Terminated) | None => Some("terminated"),
        }
    }
}

fn seen(seen: &Seen) -> Health {
    match seen {
        Seen::Nothing => {
            let text = "Target registration is in progress";
            Health::of("initial", "Elb.RegistrationInProgress", text)
        }
        Seen::Starting { .. } => {
            let text = "Initial health checks in progress";
            Health::of("initial", "Elb.InitialHealthChecking", text)
        }
        Seen::Healthy => Health::of("healthy", "", ""),
        Seen::Unhealthy(Failure { reason, description }) => {
            Health::of("unhealthy", reason, description)
        }
    }
}

/// The targets that a request names; without a port, the group's own is meant.
fn keys(group: &TargetGroup, params: &Params) -> ApiResult<Vec<TargetKey>> {
    let key = |it: Params| {
        let id = it.required("Id")?.to_owned();
        Ok(TargetKey { id, port: it.number("Port")?.unwrap_or(group.port) })
    };
    params.structures("Targets").into_iter().map(key).collect()
}

fn describe(group: &TargetGroup, key: &TargetKey, health: &Health) -> Vec<Xml> {
    let mut state = vec![Xml::text("State", health.state)];
    if !health.reason.is_empty() {
        state.push(Xml::text("Reason", health.reason));
        state.push(Xml::text("Description", &health.description));
    }
    let port = match group.check.port.as_str() {
        "traffic-port" => key.port.to_string(),
        other => other.to_owned(),
    };
    let target = vec![Xml::text("Id", &key.id), Xml::text("Port", key.port)];
    vec![
        Xml::node("Target", target),
        Xml::text("HealthCheckPort", port),
        Xml::node("TargetHealth", state),
    ]
}
