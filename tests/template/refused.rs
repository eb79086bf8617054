//! What each caller must not do, and the little that it may, tried one by one.

use std::collections::BTreeMap;

use esclusa_local::environment::Environment;
use serde_json::json;

use crate::CALLERS;
use crate::attempts::{Attempt, attempts};
use crate::calls::Callers;

/// What the calls are about.
pub(crate) struct World {
    pub(crate) stack: String,
    pub(crate) managed: String,
    pub(crate) foreign: String,
    pub(crate) outputs: BTreeMap<String, String>,
    pub(crate) group: String,
}

pub(crate) async fn each_caller_is_refused_what_it_need_not_do(
    environment: &Environment,
    callers: &Callers<'_>,
) {
    let record = environment.record();
    let (region, account) = (&record.region, &record.account);
    let world = World {
        stack: record.stack.clone(),
        managed: record.hosts[0].instance_id.clone(),
        foreign: record.hosts[1].instance_id.clone(),
        outputs: record.outputs.clone(),
        group: format!("arn:aws:elasticloadbalancing:{region}:{account}:targetgroup/other/1"),
    };
    unmanage(environment, &world.foreign).await;
    let secret = json!({ "Name": "prod/tickets/db", "SecretString": "hidden" });
    callers.root("secretsmanager", "create_secret", secret);
    let attempts = attempts(&world);
    let mut wrong = Vec::new();
    for caller in CALLERS {
        let call = |it: &Attempt| (caller, it.service, it.operation, it.input.clone());
        let calls: Vec<_> = attempts.iter().map(call).collect();
        let mut refused = 0;
        for (attempt, answer) in attempts.iter().zip(callers.call(&calls)) {
            let may = attempt.may.contains(&caller);
            if answer.is_denied() == may {
                let expected = if may { "may" } else { "must not" };
                let Attempt { service, operation, input, .. } = attempt;
                let error = answer.error;
                wrong.push(format!("{caller} {expected} {service} {operation} {input}: {error:?}"));
            }
            refused += usize::from(!may);
        }
        println!("{caller}: {refused} of {} attempts were refused", attempts.len());
        assert!(refused >= 30, "{caller} is refused {refused} things only");
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

async fn unmanage(environment: &Environment, host: &str) {
    let url = format!("{}/_esclusa/hosts/{host}/tags", environment.record().control());
    let tags = BTreeMap::from([("esclusa:managed", "false")]);
    let answer = reqwest::Client::new().put(url).json(&tags).send().await.unwrap();
    assert!(answer.status().is_success(), "{answer:?}");
}
