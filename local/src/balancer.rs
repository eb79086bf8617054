//! A load balancer in front of a service's hosts, made as a team makes one: by the ELBv2 API.

use std::time::Duration;

use aws_sdk_elasticloadbalancingv2::Client;
use aws_sdk_elasticloadbalancingv2::error::{DisplayErrorContext, SdkError};
use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, Matcher, ProtocolEnum, TargetDescription, TargetGroupAttribute,
    TargetTypeEnum,
};

use crate::environment::Environment;

/// What a load balancer is to do.
#[derive(Debug, Clone)]
pub struct Balance {
    /// The names of group and load balancer.
    pub name: String,
    /// The port on which the hosts serve.
    pub port: u16,
    /// The path of the health check.
    pub path: String,
    /// Time between two health checks: AWS allows no less than 5 s.
    pub interval: Duration,
    /// How long a deregistered target is drained.
    pub drain: Duration,
    /// The port on which the load balancer listens.
    pub listen: u16,
}

/// A call that ELBv2 refused.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing}: {cause}")]
pub struct BalanceError {
    doing: &'static str,
    cause: String,
}

fn refused<E, R>(doing: &'static str) -> impl FnOnce(SdkError<E, R>) -> BalanceError
where
    SdkError<E, R>: std::error::Error,
{
    move |error| BalanceError { doing, cause: DisplayErrorContext(&error).to_string() }
}

/// Makes a target group with these hosts and a listener for it; returns the group's ARN.
///
/// # Errors
///
/// What ELBv2 refused.
pub async fn balance(
    environment: &Environment,
    wanted: &Balance,
    hosts: &[String],
) -> Result<String, BalanceError> {
    let client = Client::new(&environment.sdk_config());
    let group = make_group(&client, wanted).await?;
    let drain = TargetGroupAttribute::builder()
        .key("deregistration_delay.timeout_seconds")
        .value(wanted.drain.as_secs().to_string());
    let modify = client.modify_target_group_attributes().target_group_arn(&group);
    modify.attributes(drain.build()).send().await.map_err(refused("set the draining time"))?;
    let targets = hosts
        .iter()
        .map(|id| TargetDescription::builder().id(id).port(i32::from(wanted.port)).build());
    let register = client.register_targets().target_group_arn(&group);
    let register = register.set_targets(Some(targets.collect()));
    register.send().await.map_err(refused("register the hosts"))?;
    listen(&client, wanted, &group).await?;
    Ok(group)
}

async fn make_group(client: &Client, wanted: &Balance) -> Result<String, BalanceError> {
    let seconds = i32::try_from(wanted.interval.as_secs()).unwrap_or(30);
    let made = client
        .create_target_group()
        .name(&wanted.name)
        .protocol(ProtocolEnum::Http)
        .port(i32::from(wanted.port))
        .vpc_id("vpc-0123456789abcdef0")
        .target_type(TargetTypeEnum::Instance)
        .health_check_path(&wanted.path)
        .health_check_interval_seconds(seconds)
        .health_check_timeout_seconds(2)
        .healthy_threshold_count(2)
        .unhealthy_threshold_count(2)
        .matcher(Matcher::builder().http_code("200").build())
        .send()
        .await
        .map_err(refused("create the target group"))?;
    let arn = made.target_groups().first().and_then(|group| group.target_group_arn());
    arn.map(str::to_owned).ok_or_else(|| BalanceError {
        doing: "create the target group",
        cause: "the answer names no group".to_owned(),
    })
}

async fn listen(client: &Client, wanted: &Balance, group: &str) -> Result<(), BalanceError> {
    let made = client
        .create_load_balancer()
        .name(&wanted.name)
        .set_subnets(Some(vec!["subnet-0a".to_owned(), "subnet-0b".to_owned()]))
        .send()
        .await
        .map_err(refused("create the load balancer"))?;
    let arn = made.load_balancers().first().and_then(|it| it.load_balancer_arn());
    let forward = Action::builder().r#type(ActionTypeEnum::Forward).target_group_arn(group);
    let listener = client
        .create_listener()
        .set_load_balancer_arn(arn.map(str::to_owned))
        .protocol(ProtocolEnum::Http)
        .port(i32::from(wanted.listen))
        .default_actions(forward.build());
    listener.send().await.map_err(refused("create the listener"))?;
    Ok(())
}
