//! What lanes tell reaches people and programs, whole and at least once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use esclusa_local::stage::{Notices, SERVICE, Stage};
use serde_json::Value;

/// Everything that was told since a moment.
pub(crate) struct Told {
    notices: Notices,
    /// What people were sent.
    texts: Vec<String>,
    /// What programs were sent.
    events: Vec<Value>,
}

impl Told {
    pub(crate) async fn from_now(stage: &Stage) -> Self {
        let notices = stage.listen().await.unwrap();
        Self { notices, texts: Vec::new(), events: Vec::new() }
    }

    /// Listens on until everything that is awaited has been heard.
    async fn until(&mut self, what: &str, heard: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_mins(1) {
            self.texts.extend(self.notices.texts().await.unwrap());
            self.events.extend(self.notices.events().await.unwrap());
            if heard(self) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        panic!("{what} was not told within a minute: {:#?}\n{:#?}", self.texts, self.events);
    }

    /// Waits for the text with these words that people are sent.
    pub(crate) async fn until_text(&mut self, words: &str) -> String {
        let heard = |told: &Self| told.texts.iter().any(|it| it.contains(words));
        self.until(words, heard).await;
        self.texts.iter().find(|it| it.contains(words)).unwrap().clone()
    }

    fn of_kind(&self, kind: &str) -> impl Iterator<Item = &Value> {
        self.events.iter().filter(move |it| it["detail-type"] == kind).map(|it| &it["detail"])
    }

    fn tells(&self, kind: &str, version: &str) -> bool {
        let about = format!("{SERVICE} in production: {version} ");
        self.of_kind(kind).any(|it| it["text"].as_str().unwrap().starts_with(&about))
    }

    /// A rollout that succeeded was told from its start to its end.
    pub(crate) async fn expect_a_rollout(&mut self, version: &str) {
        let end = |told: &Self| told.tells("Rollout Ended", version) && told.texts.len() >= 2;
        self.until("the end of the rollout", end).await;
        let next = format!(
            "\n\nNext:\naws lambda invoke --function-name esclusa-operator \
             --cli-binary-format raw-in-base64-out --payload '{{\"action\":\"status\",\
             \"service\":\"{SERVICE}\",\"environment\":\"production\"}}' /dev/stdout\n\""
        );
        let begin = format!("\"{SERVICE} in production: {version} ");
        for (words, end) in [
            ("goes to 2 host(s), because its tag was pushed", next.as_str()),
            ("succeeded: ", "It is what the lane runs now.\""),
        ] {
            let good =
                |it: &&String| it.starts_with(&begin) && it.contains(words) && it.ends_with(end);
            assert_eq!(self.texts.iter().filter(good).count(), 1, "{words}: {:#?}", self.texts);
        }
        let moves: BTreeSet<&str> =
            self.of_kind("Rollout Moved").map(|it| it["word"].as_str().unwrap()).collect();
        for phase in ["prefetching", "activating", "settling", "baking", "verifying"] {
            assert!(moves.contains(phase), "{phase} is not among {moves:?}");
        }
        for event in &self.events {
            let detail = &event["detail"];
            assert_eq!(
                (&event["source"], &detail["service"]),
                (&"esclusa".into(), &SERVICE.into())
            );
        }
    }

    /// Every start and end was told, and no announcement was left out.
    pub(crate) async fn expect_everything(&mut self, versions: &[&str]) {
        let all = |told: &Self| {
            let both = |version: &&str| {
                ["Rollout Started", "Rollout Ended"].iter().all(|kind| told.tells(kind, version))
            };
            versions.iter().all(both) && told.missing().is_empty()
        };
        self.until("every start and end, and all in between,", all).await;
    }

    /// The announcements of lanes that lie between others that were heard.
    fn missing(&self) -> Vec<String> {
        let mut heard: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
        for event in self.events.iter().filter(|it| !it["detail"]["environment"].is_null()) {
            let (lane, number) = event["detail"]["id"].as_str().unwrap().rsplit_once('#').unwrap();
            heard.entry(lane).or_default().insert(number.parse().unwrap());
        }
        let missing = heard.into_iter().flat_map(|(lane, numbers)| {
            let last = numbers.last().copied().unwrap_or(0);
            let missing = (1..=last).filter(move |it| !numbers.contains(it));
            missing.map(move |it| format!("{lane}#{it}"))
        });
        missing.collect()
    }
}
