//! A repository of thousands of images, with the real function against the local ECR: what remains
//! is exactly what the plan said.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use esclusa_local::environment::{Kill, Moment};
use esclusa_local::stage::Stage;
use serde_json::{Value, json};

use crate::shelf::Shelf;
use crate::{eventually, on_stage};

/// A service without hosts, whose repository is filled.
const SERVICE: &str = "acme/ledger";

const CONFIGURATION: &str = r#"
[environments.production]
[environments.staging]
[environments.preview]
tag = "preview"
require_version_tag = "pre-*"
[retention]
versions = 10
unmapped = "14d"
untagged_grace = "24h"
"#;

/// What is pushed a month before everything else.
const VERSIONS: usize = 500;
const PREVIEWS: usize = 200;
const BRANCHES: usize = 200;
const LOOSE: usize = 130;

/// What is pushed afterwards.
const YOUNG_BRANCHES: usize = 50;
const STAGED: usize = 12;

#[tokio::test(flavor = "multi_thread")]
async fn what_remains_of_three_thousand_images_is_what_the_plan_said() {
    on_stage("retention", async |stage| {
        stage.environment.configure(SERVICE, CONFIGURATION).await.unwrap();
        let mut shelf = Shelf::open(&stage, SERVICE).await;
        fill(&stage, &mut shelf).await;
        staging_moves_its_tag(&stage, &mut shelf).await;
        let plan = planned(&stage, &shelf).await;
        a_second_plan_reads_no_index(&stage).await;
        killed_in_the_middle(&stage).await;
        applied(&stage).await;
        let left = stage.listed(SERVICE).await.unwrap();
        assert_eq!(left.keys().collect::<BTreeSet<_>>(), plan.iter().collect());
        the_right_ones_are_left(&shelf, &left);
        let again = ask(&stage, json!({ "apply": true })).await;
        assert_eq!((&again["plan"]["delete"], &again["deleted"]), (&json!(0), &json!(0)));
        stage
    })
    .await;
}

/// Pushes what a year of pipelines leaves. Nobody is told: that would wake the functions thousands
/// of times, for what a plan finds by itself.
async fn fill(stage: &Stage, shelf: &mut Shelf<'_>) {
    stage.mute_pushes(true).await.unwrap();
    for number in 0..VERSIONS {
        let version = format!("v1.{number}.0");
        let index = shelf.push_index(&[&version], number.is_multiple_of(7)).await;
        shelf.sign(&index, number.is_multiple_of(2)).await;
    }
    for number in 0..PREVIEWS {
        shelf.push_index(&[&format!("pre-{number}")], false).await;
    }
    for number in 0..BRANCHES {
        shelf.push_image(Some(&format!("feature-{number}"))).await;
    }
    for _ in 0..LOOSE {
        shelf.push_image(None).await;
    }
    shelf.settle(stage).await;
    stage.environment.age_images(SERVICE, Duration::from_hours(30 * 24)).await.unwrap();
    for number in 0..YOUNG_BRANCHES {
        shelf.push_image(Some(&format!("young-{number}"))).await;
    }
    shelf.tag_again("v1.499.0", "latest").await;
    shelf.tag_again("pre-199", "preview").await;
    // A second tag makes no old image new.
    shelf.tag_again("v1.3.0", "v2.0.0-rc1").await;
    shelf.settle(stage).await;
    stage.mute_pushes(false).await.unwrap();
}

/// Staging has nothing but a moving tag: the lane hears of each move, and the ledger remembers.
async fn staging_moves_its_tag(stage: &Stage, shelf: &mut Shelf<'_>) {
    stage.sweep().await.unwrap();
    for _ in 0..STAGED {
        let digest = shelf.push_index(&["staging"], false).await;
        let wanted = || async {
            let question = json!({
                "action": "status", "service": SERVICE, "environment": "staging",
            });
            let status = stage.ask_with(question).await.unwrap();
            (status.pointer("/lane/desired/digest")?.as_str()? == digest).then_some(())
        };
        eventually("staging's look at its tag", wanted).await;
    }
    shelf.settle(stage).await;
}

async fn ask(stage: &Stage, members: Value) -> Value {
    let mut question = json!({ "service": SERVICE, "actor": "ana" });
    question.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    stage.environment.invoke("retention", &question).await.unwrap()
}

/// Calls that retention has made of ECR, by action.
async fn calls(stage: &Stage) -> BTreeMap<String, u64> {
    let called = stage.environment.called().await.unwrap();
    let mut calls = BTreeMap::new();
    let ours = |caller: &str| caller.to_ascii_lowercase().contains("retention");
    for it in called.into_iter().filter(|it| it.service == "ecr" && ours(&it.caller)) {
        *calls.entry(it.action).or_default() += it.count;
    }
    calls
}

/// Makes a plan, and returns the digests that it keeps.
async fn planned(stage: &Stage, shelf: &Shelf<'_>) -> Vec<String> {
    // Pushes to staging have asked for runs, which only plan: the first run is a person's.
    let quiet = || async {
        let images = stage.are_tasks_done().await.unwrap();
        images.then_some(())
    };
    eventually("retention's rest", quiet).await;
    let before = calls(stage).await;
    let answer = ask(stage, json!({ "apply": false })).await;
    assert_eq!(answer["ok"], json!(true), "{answer}");
    let images = answer["images"].as_array().unwrap();
    assert_eq!(images.len(), shelf.count(), "{}", answer["text"]);
    let after = calls(stage).await;
    let more = |action: &str| {
        after.get(action).copied().unwrap_or(0) - before.get(action).copied().unwrap_or(0)
    };
    assert_eq!(more("DescribeImages"), u64::try_from(images.len().div_ceil(1000)).unwrap());
    assert_eq!(more("BatchDeleteImage"), 0);
    let indexes = u64::try_from(shelf.indexes().div_ceil(100)).unwrap();
    assert!(after["BatchGetImage"] >= indexes, "{after:?}");
    let kept = images.iter().filter(|it| it["verdict"] == json!("keep"));
    kept.map(|it| it["digest"].as_str().unwrap().to_owned()).collect()
}

async fn a_second_plan_reads_no_index(stage: &Stage) {
    let before = calls(stage).await["BatchGetImage"];
    ask(stage, json!({ "apply": false })).await;
    assert_eq!(calls(stage).await["BatchGetImage"], before);
}

/// The function dies in the middle of deleting; nothing is lost, and its lease ends.
async fn killed_in_the_middle(stage: &Stage) {
    let kill = Kill {
        service: "ecr".to_owned(),
        action: "BatchDeleteImage".to_owned(),
        nth: 3,
        when: Moment::After,
        function: "retention".to_owned(),
    };
    stage.environment.arm(&kill).await.unwrap();
    let question = json!({ "service": SERVICE, "apply": true, "force": true });
    let died = stage.environment.invoke("retention", &question).await;
    assert!(died.is_err(), "{died:?}");
    assert_eq!(stage.environment.killed().await.unwrap().len(), 1);
}

/// Applies the plan to its end: in one run, or in as many as the function's time allows.
async fn applied(stage: &Stage) {
    let done = || async {
        let answer = ask(stage, json!({ "apply": true, "force": true })).await;
        (answer["stop"] == json!("done")).then_some(())
    };
    eventually("the end of the run", done).await;
}

/// What should be left, told anew from what was pushed.
fn the_right_ones_are_left(shelf: &Shelf<'_>, left: &BTreeMap<String, BTreeSet<String>>) {
    let tags: BTreeSet<&str> = left.values().flatten().map(String::as_str).collect();
    for number in 0..VERSIONS {
        let kept = number >= VERSIONS - 10;
        let version = format!("v1.{number}.0");
        assert_eq!(tags.contains(version.as_str()), kept, "{version}");
    }
    for number in 0..PREVIEWS {
        let preview = format!("pre-{number}");
        assert_eq!(tags.contains(preview.as_str()), number >= PREVIEWS - 10, "{preview}");
    }
    for number in 0..BRANCHES {
        assert!(!tags.contains(format!("feature-{number}").as_str()), "feature-{number}");
    }
    for number in 0..YOUNG_BRANCHES {
        assert!(tags.contains(format!("young-{number}").as_str()), "young-{number}");
    }
    assert!(tags.is_superset(&BTreeSet::from(["latest", "staging", "preview"])), "{tags:?}");
    // Ten of staging's, of which nine have lost their tag; each index with its parts, and what is
    // about an image that stays.
    let staged = shelf.indexes_tagged("staging");
    let kept = staged.iter().filter(|digest| left.contains_key(*digest)).count();
    assert_eq!(kept, 10);
    for (digest, parts) in shelf.parts() {
        for part in parts {
            assert_eq!(left.contains_key(part), left.contains_key(digest), "{part} of {digest}");
        }
    }
    for (signature, subject) in shelf.signatures() {
        assert_eq!(left.contains_key(signature), left.contains_key(subject), "{signature}");
    }
}
