//! The load balancer, at the requests and answers of ELBv2.

use std::time::Duration;

use esclusa_core::configuration::TargetGroup;
use esclusa_core::traffic::{GroupSettings, SeenGroup, Target};
use esclusa_shell::ports::Traffic;
use serde_json::json;

use crate::aws::{Reply, aws, said};
use crate::record_samples::host;

const GROUP: &str =
    "arn:aws:elasticloadbalancing:eu-south-1:123456789012:targetgroup/web/0123456789abcdef";

fn group() -> TargetGroup {
    GROUP.parse().unwrap()
}

fn answer(action: &str, result: &str) -> Reply {
    let space = "http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/";
    let result = format!(
        "<{action}Response xmlns=\"{space}\"><{action}Result>{result}</{action}Result>\
         <ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></{action}Response>"
    );
    (200, result)
}

fn refusal(code: &str) -> Reply {
    let space = "http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/";
    let body = format!(
        "<ErrorResponse xmlns=\"{space}\"><Error><Type>Sender</Type><Code>{code}</Code>\
         <Message>no</Message></Error><RequestId>r</RequestId></ErrorResponse>"
    );
    (400, body)
}

#[tokio::test]
async fn the_settings_of_a_group_come_from_two_calls() {
    let (aws, _) = aws(|call, _| match call.name.as_str() {
        "DescribeTargetGroups" => answer(
            "DescribeTargetGroups",
            "<TargetGroups><member><TargetType>instance</TargetType>\
             <HealthCheckIntervalSeconds>10</HealthCheckIntervalSeconds>\
             <HealthyThresholdCount>3</HealthyThresholdCount>\
             <UnhealthyThresholdCount>2</UnhealthyThresholdCount></member></TargetGroups>",
        ),
        name => answer(
            name,
            "<Attributes><member><Key>stickiness.enabled</Key><Value>false</Value></member>\
             <member><Key>deregistration_delay.timeout_seconds</Key><Value>30</Value></member>\
             </Attributes>",
        ),
    });
    let expected = GroupSettings {
        deregistration_delay: Duration::from_secs(30),
        interval: Duration::from_secs(10),
        unhealthy_threshold: 2,
        healthy_threshold: 3,
    };
    assert_eq!(aws.group(&group()).await.unwrap(), SeenGroup::OfInstances(expected));
}

#[tokio::test]
async fn a_group_of_addresses_is_told_by_its_type() {
    let member = "<TargetGroups><member><TargetType>ip</TargetType></member></TargetGroups>";
    let (aws, calls) = aws(move |call, _| answer(&call.name, member));
    assert_eq!(aws.group(&group()).await.unwrap(), SeenGroup::OfOthers("ip".to_owned()));
    assert_eq!(calls.names(), ["DescribeTargetGroups"]);
}

#[tokio::test]
async fn a_group_that_does_not_exist_has_no_settings() {
    let (aws, _) = aws(|_, _| refusal("TargetGroupNotFound"));
    assert_eq!(aws.group(&group()).await.unwrap(), SeenGroup::Absent);
    let text = said(&aws.targets(&group()).await.unwrap_err());
    assert!(text.starts_with(&format!("cannot read the target health of `{GROUP}`: ")), "{text}");
}

#[tokio::test]
async fn every_target_of_ours_is_seen_with_its_state() {
    let states = [
        ("initial", "Elb.RegistrationInProgress", "Initial"),
        ("healthy", "", "Healthy"),
        ("unhealthy", "Target.FailedHealthChecks", "Unhealthy"),
        ("unhealthy.draining", "", "Unhealthy"),
        ("draining", "Target.DeregistrationInProgress", "Draining"),
        ("unused", "Target.NotInUse", "Unused"),
        ("unused", "Target.InvalidState", "Stopped"),
        ("unavailable", "Target.HealthCheckDisabled", "Unavailable"),
        ("brand-new", "Brand.New", "Unavailable"),
    ];
    let (aws, calls) = aws(move |call, _| {
        let members: Vec<String> = (states.iter().zip(1..))
            .map(|((state, reason, _), number)| {
                let id = host(number);
                format!(
                    "<member><Target><Id>{id}</Id><Port>8080</Port></Target><TargetHealth>\
                     <State>{state}</State><Reason>{reason}</Reason></TargetHealth></member>"
                )
            })
            .collect();
        let members = members.concat();
        let foreign = "<member><Target><Id>10.0.0.7</Id><Port>80</Port></Target></member>";
        let all =
            format!("<TargetHealthDescriptions>{members}{foreign}</TargetHealthDescriptions>");
        answer(&call.name, &all)
    });
    let seen = aws.targets(&group()).await.unwrap();
    let words: Vec<_> =
        seen.iter().map(|it| (format!("{:?}", it.health), it.reason.clone())).collect();
    let expected: Vec<_> = (states.iter())
        .map(|(_, reason, health)| ((*health).to_owned(), (*reason).to_owned()))
        .collect();
    assert_eq!(words, expected);
    assert_eq!(seen[0].target, Target { group: group(), host: host(1), port: 8080 });
    assert_eq!(calls.one("DescribeTargetHealth"), json!({ "TargetGroupArn": GROUP }));
}

#[tokio::test]
async fn targets_are_moved_with_their_ports() {
    let targets = [
        Target { group: group(), host: host(1), port: 8080 },
        Target { group: group(), host: host(1), port: 8081 },
    ];
    let (aws, calls) = aws(|call, _| answer(&call.name, ""));
    aws.deregister(&group(), &targets).await.unwrap();
    aws.register(&group(), &targets).await.unwrap();
    let expected = json!({
        "TargetGroupArn": GROUP,
        "Targets.member.1.Id": host(1).as_str(),
        "Targets.member.1.Port": "8080",
        "Targets.member.2.Id": host(1).as_str(),
        "Targets.member.2.Port": "8081",
    });
    assert_eq!(calls.one("DeregisterTargets"), expected);
    assert_eq!(calls.one("RegisterTargets"), expected);
}

/// ELB refuses a whole call for one instance that does not run.
#[tokio::test]
async fn a_target_whose_instance_does_not_run_keeps_no_other_out() {
    let target = |number: u32| Target { group: group(), host: host(number), port: 8080 };
    let (stopped, targets) = (target(2), [target(1), target(2), target(3)]);
    let refused_host = host(2).to_string();
    let (aws, calls) = aws(move |call, _| {
        if call.input.to_string().contains(&refused_host) {
            refusal("InvalidTarget")
        } else {
            answer("RegisterTargets", "")
        }
    });
    assert_eq!(aws.register(&group(), &targets).await.unwrap(), [stopped]);
    assert_eq!(calls.names().len(), 4);
    assert_eq!(aws.register(&group(), &targets[..1]).await.unwrap(), []);
    assert_eq!(calls.names().len(), 5);
}
