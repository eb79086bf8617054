//! The chapter on metrics: what the story so far looks like in CloudWatch.

use std::time::{Duration, Instant, SystemTime};

use serde_json::json;

use super::report::{Open, Report};
use crate::stage::{SERVICE, Stage, StageError};

/// How long numbers may take from the bus to CloudWatch, and hosts to answer.
const PATIENCE: Duration = Duration::from_mins(1);

/// The alarms of a service whose images nothing scans.
const ALARMS: usize = 8;

const LANE: [(&str, &str); 2] = [("Service", SERVICE), ("Environment", "production")];

pub(super) async fn story(stage: &Stage, report: &mut Report) -> Result<(), StageError> {
    let mut open = Report::open("what was counted: rollouts, hosts, containers, and the alarms");
    let began = Instant::now();
    while stage.sum("ContainerMemory", &LANE).await?.is_none() && began.elapsed() < PATIENCE {
        // Ticks come every five minutes by themselves.
        let due = json!({
            "id": format!("{:?}", SystemTime::now()), "source": "aws.events",
            "detail-type": "Scheduled Event", "detail": {},
        });
        stage.send_fact(&due.to_string()).await?;
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
    for (metric, expected) in
        [("RolloutsSucceeded", 4.0), ("RolloutsRestored", 1.0), ("ChangeFailed", 2.0)]
    {
        let sum = stage.sum(metric, &LANE).await?.unwrap_or_default();
        open.expect(metric, format!("{expected}"), format!("{sum}"));
    }
    measured(stage, &mut open).await?;
    let alarms = stage.alarms_named(&format!("esclusa/{SERVICE}/")).await?;
    open.expect("alarms of the service", ALARMS, alarms.len());
    report.close(open, Duration::ZERO);
    Ok(())
}

async fn measured(stage: &Stage, open: &mut Open) -> Result<(), StageError> {
    for metric in ["HostsInService", "RollbackReady", "ContainerCpu", "ContainerMemory"] {
        let there = stage.sum(metric, &LANE).await?.is_some();
        open.expect(&format!("{metric} is there"), true, there);
    }
    Ok(())
}
