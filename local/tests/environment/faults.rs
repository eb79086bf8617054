//! What reaches a function, and how it dies when a test wants that.

use std::path::Path;

use esclusa_local::environment::{Environment, Kill, Moment};
use serde_json::json;

use crate::{SERVICE, eventually, with_environment};

/// An image of a few bytes that differs from every other.
async fn push(environment: &Environment, tags: &[&str]) {
    let context = environment.state().join("tmp/context");
    std::fs::create_dir_all(&context).unwrap();
    std::fs::write(context.join("content"), tags.join(" ")).unwrap();
    std::fs::write(context.join("Dockerfile"), "FROM scratch\nCOPY content /\n").unwrap();
    environment.push(Path::new(&context), SERVICE, tags).await.unwrap();
}

async fn calls_of_rollout(environment: &Environment) -> u64 {
    let called = environment.called().await.unwrap();
    called.iter().filter(|it| it.caller.ends_with("esclusa-rollout")).map(|it| it.count).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_wakes_the_function_and_a_chosen_call_kills_it() {
    with_environment("faults", |environment| async move {
        environment.configure(SERVICE, "").await.unwrap();
        let kill = Kill {
            service: "dynamodb".to_owned(),
            action: "GetItem".to_owned(),
            nth: 1,
            when: Moment::Before,
            function: "rollout".to_owned(),
        };
        environment.arm(&kill).await.unwrap();
        push(&environment, &["v1.0.0", "latest"]).await;
        let killed = eventually("the kill", || async {
            environment.killed().await.unwrap().into_iter().next()
        });
        let killed = killed.await;
        assert_eq!((killed.function.as_str(), killed.when), ("esclusa-rollout", Moment::Before));
        assert!(!Path::new(&format!("/proc/{}/exe", killed.pid)).exists());
        let before = calls_of_rollout(&environment).await;
        eventually("the next invocation", || async {
            (calls_of_rollout(&environment).await > before).then_some(())
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_is_invoked_and_its_log_is_read() {
    with_environment("operator", |environment| async move {
        let question = json!({
            "action": "status", "service": SERVICE, "environment": "production",
        });
        let answer = environment.invoke("operator", &question).await;
        assert!(answer.is_ok(), "{answer:?}");
        let mut log = Vec::new();
        environment
            .logs("operator", esclusa_local::environment::Follow::No, &mut log)
            .await
            .unwrap();
        let log = String::from_utf8(log).unwrap();
        assert!(log.contains("REPORT RequestId"), "{log}");
    })
    .await;
}
