//! Target groups and the load balancer in front of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_sdk_elasticloadbalancingv2::Client;
use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, Matcher, TargetDescription, TargetGroupAttribute, TargetTypeEnum,
};
use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::refusal;
use crate::targets::{Caller, Server};
use crate::world::{ONE, SECOND, TWO, World, eventually, free_port};

/// A load balancer over a group, with a server on each of the two hosts.
struct Balanced {
    world: World,
    elb: Client,
    group: String,
    port: u16,
    one: Server,
    two: Server,
}

impl Balanced {
    async fn new(name: &str) -> Self {
        let world = World::bare(name).await;
        let one = Server::start("one", "127.0.0.2", free_port()).await;
        let two = Server::start("two", "127.0.0.3", one.port).await;
        let (elb, port) = (world.elb(), free_port());
        let group = group(&elb, "web", one.port).await;
        let balancer =
            elb.create_load_balancer().name("web").subnets("subnet-1").send().await.unwrap();
        let balancer = balancer.load_balancers()[0].load_balancer_arn().unwrap().to_owned();
        let forward = Action::builder().r#type(ActionTypeEnum::Forward).target_group_arn(&group);
        let listener = elb.create_listener().load_balancer_arn(balancer).port(i32::from(port));
        listener.default_actions(forward.build()).send().await.unwrap();
        Self { world, elb, group, port, one, two }
    }

    async fn register(&self, id: &str) {
        let register = self.elb.register_targets().target_group_arn(&self.group);
        register.targets(target(id, None)).send().await.unwrap();
    }

    async fn deregister(&self, id: &str) {
        let deregister = self.elb.deregister_targets().target_group_arn(&self.group);
        deregister.targets(target(id, None)).send().await.unwrap();
    }

    /// `state/reason` of a target, asked for by name.
    async fn health(&self, id: &str) -> String {
        health(&self.elb, &self.group, id).await
    }

    async fn reaches(&self, id: &str, wanted: &str) {
        eventually(&format!("{id} {wanted}"), async || {
            (self.health(id).await == wanted).then_some(())
        })
        .await;
    }

    async fn set_delay(&self, seconds: u32) {
        let attribute = TargetGroupAttribute::builder()
            .key("deregistration_delay.timeout_seconds")
            .value(seconds.to_string());
        let modify = self.elb.modify_target_group_attributes().target_group_arn(&self.group);
        modify.attributes(attribute.build()).send().await.unwrap();
    }
}

async fn group(elb: &Client, name: &str, port: u16) -> String {
    let matcher = Matcher::builder().http_code("200-299").build();
    let created = elb.create_target_group().name(name).port(i32::from(port)).vpc_id("vpc-1");
    let created = created
        .target_type(TargetTypeEnum::Instance)
        .protocol(aws_sdk_elasticloadbalancingv2::types::ProtocolEnum::Http)
        .health_check_path("/health")
        .health_check_interval_seconds(5)
        .health_check_timeout_seconds(2)
        .healthy_threshold_count(10)
        .unhealthy_threshold_count(2)
        .matcher(matcher);
    let created = created.send().await.unwrap();
    created.target_groups()[0].target_group_arn().unwrap().to_owned()
}

fn target(id: &str, port: Option<i32>) -> TargetDescription {
    TargetDescription::builder().id(id).set_port(port).build()
}

async fn health(elb: &Client, group: &str, id: &str) -> String {
    let ask = elb.describe_target_health().target_group_arn(group).targets(target(id, None));
    let answer = ask.send().await.unwrap();
    let health = answer.target_health_descriptions()[0].target_health().unwrap();
    let reason = health.reason().map(|it| it.as_str().to_owned()).unwrap_or_default();
    format!("{}/{reason}", health.state().unwrap().as_str())
}

#[tokio::test]
async fn a_new_target_is_healthy_after_one_passed_check_and_gets_nothing_before() {
    let it = Balanced::new("initial").await;
    it.one.health.store(500, Ordering::SeqCst);
    it.register(ONE).await;
    it.reaches(ONE, "initial/Elb.InitialHealthChecking").await;
    assert_eq!(Caller::new(it.port).get("/").await, Err(503));
    it.one.health.store(204, Ordering::SeqCst);
    it.reaches(ONE, "healthy/").await;
    // The threshold would have taken ten.
    let passed = it.one.passed.load(Ordering::SeqCst);
    assert!(passed < 10, "{passed} checks passed");
    assert_eq!(Caller::new(it.port).names(3).await, ["one"]);
    it.register(TWO).await;
    it.reaches(TWO, "healthy/").await;
    assert_eq!(Caller::new(it.port).names(10).await, ["one", "two"]);
    let all = it.elb.describe_target_health().target_group_arn(&it.group).send().await.unwrap();
    assert_eq!(all.target_health_descriptions().len(), 2);
}

#[tokio::test]
async fn thresholds_decide_later_and_the_reason_tells_the_code() {
    let it = Balanced::new("thresholds").await;
    it.register(ONE).await;
    it.register(TWO).await;
    it.reaches(ONE, "healthy/").await;
    it.reaches(TWO, "healthy/").await;
    it.one.health.store(503, Ordering::SeqCst);
    it.reaches(ONE, "unhealthy/Target.ResponseCodeMismatch").await;
    let ask =
        it.elb.describe_target_health().target_group_arn(&it.group).targets(target(ONE, None));
    let answer = ask.send().await.unwrap();
    let described = answer.target_health_descriptions()[0].target_health().unwrap();
    assert_eq!(described.description(), Some("Health checks failed with these codes: [503]"));
    assert_eq!(Caller::new(it.port).names(6).await, ["two"]);
    it.two.health.store(503, Ordering::SeqCst);
    it.reaches(TWO, "unhealthy/Target.ResponseCodeMismatch").await;
    // With nobody healthy, everybody is tried.
    assert_eq!(Caller::new(it.port).names(6).await, ["one", "two"]);
    let before = it.one.passed.load(Ordering::SeqCst);
    it.one.health.store(200, Ordering::SeqCst);
    it.reaches(ONE, "healthy/").await;
    let passed = it.one.passed.load(Ordering::SeqCst) - before;
    assert!(passed >= 10, "{passed} checks passed");
    assert_eq!(Caller::new(it.port).names(6).await, ["one"]);
}

#[tokio::test]
async fn a_target_drains_for_the_whole_delay_and_kept_connections_lose_nothing() {
    let it = Balanced::new("drain").await;
    it.set_delay(75).await;
    it.register(ONE).await;
    it.register(TWO).await;
    it.reaches(ONE, "healthy/").await;
    it.reaches(TWO, "healthy/").await;
    let kept = Caller::new(it.port);
    assert_eq!(kept.names(10).await, ["one", "two"]);
    let slow: Vec<_> = (0..2)
        .map(|_| {
            let caller = Caller::new(it.port);
            tokio::spawn(async move { caller.get("/slow").await })
        })
        .collect();
    let begun = || it.one.slow.load(Ordering::SeqCst) + it.two.slow.load(Ordering::SeqCst);
    eventually("both to begin", async || (begun() == 2).then_some(())).await;
    let since = Instant::now();
    it.deregister(ONE).await;
    assert_eq!(it.health(ONE).await, "draining/Target.DeregistrationInProgress");
    eventually("new requests to go elsewhere", async || {
        (kept.names(6).await == ["two"]).then_some(())
    })
    .await;
    assert_eq!(kept.names(50).await, ["two"]);
    it.one.go_on.notify_waiters();
    it.two.go_on.notify_waiters();
    let mut names = Vec::new();
    for answer in slow {
        names.push(answer.await.unwrap().unwrap());
    }
    names.sort();
    assert_eq!(names, ["one", "two"]);
    assert_eq!(it.health(ONE).await, "draining/Target.DeregistrationInProgress");
    it.reaches(ONE, "unused/Target.NotRegistered").await;
    assert!(since.elapsed() >= SECOND * 75, "{:?}", since.elapsed());
    it.register(ONE).await;
    it.reaches(ONE, "healthy/").await;
    assert_eq!(kept.names(10).await, ["one", "two"]);
}

#[tokio::test]
async fn a_target_that_is_registered_again_stops_draining() {
    let it = Balanced::new("again").await;
    it.register(ONE).await;
    it.reaches(ONE, "healthy/").await;
    it.deregister(ONE).await;
    it.reaches(ONE, "draining/Target.DeregistrationInProgress").await;
    sleep(SECOND * 2).await;
    it.register(ONE).await;
    it.reaches(ONE, "healthy/").await;
    assert_eq!(Caller::new(it.port).names(3).await, ["one"]);
    it.set_delay(0).await;
    it.deregister(ONE).await;
    assert_eq!(it.health(ONE).await, "unused/Target.NotRegistered");
    it.deregister(ONE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_loses_no_request() {
    let mut it = Balanced::new("rolling").await;
    it.set_delay(5).await;
    it.register(ONE).await;
    it.register(TWO).await;
    it.reaches(ONE, "healthy/").await;
    it.reaches(TWO, "healthy/").await;
    let over = Arc::new(AtomicBool::new(false));
    let callers: Vec<_> = (0..4).map(|number| call_until(it.port, number < 2, &over)).collect();
    it.deregister(ONE).await;
    it.reaches(ONE, "unused/Target.NotRegistered").await;
    let port = it.one.port;
    it.one.stop().await;
    it.one = Server::start("new one", "127.0.0.2", port).await;
    it.register(ONE).await;
    it.reaches(ONE, "healthy/").await;
    it.deregister(TWO).await;
    it.reaches(TWO, "unused/Target.NotRegistered").await;
    it.two.stop().await;
    it.two = Server::start("new two", "127.0.0.3", port).await;
    it.register(TWO).await;
    it.reaches(TWO, "healthy/").await;
    sleep(SECOND).await;
    over.store(true, Ordering::SeqCst);
    for caller in callers {
        let (answered, failures) = caller.await.unwrap();
        assert!(answered > 50, "only {answered} requests were made");
        assert_eq!(failures, Vec::<String>::new(), "of {answered} requests");
    }
    assert_eq!(Caller::new(it.port).names(4).await, ["new one", "new two"]);
}

/// Calls until it is over, on one kept connection or on a new one each time.
fn call_until(port: u16, kept: bool, over: &Arc<AtomicBool>) -> JoinHandle<(usize, Vec<String>)> {
    let over = Arc::clone(over);
    tokio::spawn(async move {
        let mut caller = Caller::new(port);
        let (mut answered, mut failures) = (0, Vec::new());
        while !over.load(Ordering::SeqCst) {
            if !kept {
                caller = Caller::new(port);
            }
            match caller.get("/").await {
                Ok(_) => answered += 1,
                Err(status) => failures.push(format!("{status} after {answered}")),
            }
        }
        (answered, failures)
    })
}

#[tokio::test]
async fn what_gets_no_traffic_is_unused_and_what_is_not_there_is_refused() {
    let it = Balanced::new("unused").await;
    let idle = group(&it.elb, "idle", 80).await;
    let register = |id: &str, port: Option<i32>| {
        it.elb.register_targets().target_group_arn(&idle).targets(target(id, port)).send()
    };
    register(ONE, None).await.unwrap();
    assert_eq!(health(&it.elb, &idle, ONE).await, "unused/Target.NotInUse");
    register(ONE, Some(81)).await.unwrap();
    let both = it.elb.describe_target_health().target_group_arn(&idle).send().await.unwrap();
    let ports: Vec<_> =
        both.target_health_descriptions().iter().map(|it| it.target().unwrap().port()).collect();
    assert_eq!(ports, [Some(80), Some(81)]);
    assert_eq!(refusal!(register("i-0000000000000dead", None).await).0, "InvalidTarget");
    assert_eq!(health(&it.elb, &idle, TWO).await, "unused/Target.NotRegistered");
    let other = it.elb.describe_target_health().target_group_arn("arn:none").send().await;
    assert_eq!(refusal!(other).0, "TargetGroupNotFound");
    it.register(TWO).await;
    it.reaches(TWO, "healthy/").await;
    it.world.admin("PUT", &format!("/hosts/{TWO}/power"), json!({ "state": "stopped" })).await;
    assert_eq!(it.health(TWO).await, "unused/Target.InvalidState");
    let used = it.elb.delete_target_group().target_group_arn(&it.group).send().await;
    assert_eq!(refusal!(used).0, "ResourceInUse");
}

#[tokio::test]
async fn new_checks_take_over_without_losing_a_request() {
    let it = Balanced::new("modify").await;
    it.register(ONE).await;
    it.register(TWO).await;
    it.reaches(ONE, "healthy/").await;
    it.reaches(TWO, "healthy/").await;
    let caller = Caller::new(it.port);
    caller.names(4).await;
    let modify = it.elb.modify_target_group().target_group_arn(&it.group);
    modify.health_check_path("/").send().await.unwrap();
    assert_eq!(Caller::new(it.port).names(10).await, ["one", "two"]);
    assert_eq!(caller.names(10).await, ["one", "two"]);
    it.one.health.store(500, Ordering::SeqCst);
    sleep(SECOND * 15).await;
    assert_eq!(it.health(ONE).await, "healthy/");
    let described = it.elb.describe_target_groups().names("web").send().await.unwrap();
    assert_eq!(described.target_groups()[0].health_check_path(), Some("/"));
    let short = it.elb.modify_target_group().target_group_arn(&it.group);
    let short = short.health_check_interval_seconds(4).send().await;
    assert_eq!(refusal!(short).0, "ValidationError");
}

#[tokio::test]
async fn a_load_balancer_that_ends_comes_back() {
    let it = Balanced::new("revived").await;
    it.register(ONE).await;
    it.reaches(ONE, "healthy/").await;
    let before = it.world.plane.balancer_processes();
    let [pid] = before[..] else { panic!("{before:?}") };
    std::process::Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap();
    eventually("another HAProxy", async || {
        let now = it.world.plane.balancer_processes();
        (now.len() == 1 && now != before).then_some(())
    })
    .await;
    it.reaches(ONE, "healthy/").await;
    assert_eq!(Caller::new(it.port).names(3).await, ["one"]);
}

#[tokio::test]
async fn targets_and_listeners_outlive_the_server() {
    let it = Balanced::new("outlive").await;
    it.register(ONE).await;
    it.reaches(ONE, "healthy/").await;
    let before = it.world.plane.balancer_processes();
    let Balanced { world, group, port, one, two, .. } = it;
    let world = world.restart().await;
    let it = Balanced { elb: world.elb(), world, group, port, one, two };
    it.reaches(ONE, "healthy/").await;
    assert_eq!(Caller::new(it.port).names(3).await, ["one"]);
    assert_ne!(it.world.plane.balancer_processes(), before);
    let listener = it.elb.describe_load_balancers().names("web").send().await.unwrap();
    let arn = listener.load_balancers()[0].load_balancer_arn().unwrap().to_owned();
    it.elb.delete_load_balancer().load_balancer_arn(arn).send().await.unwrap();
    eventually("HAProxy to end", async || {
        tokio::net::TcpStream::connect(("127.0.0.1", it.port)).await.is_err().then_some(())
    })
    .await;
    assert_eq!(it.health(ONE).await, "unused/Target.NotInUse");
}
