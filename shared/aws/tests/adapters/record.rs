//! What is stored is what was stored.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use esclusa_aws::record::{
    read_lane, read_report, read_rollout, write_lane, write_report, write_rollout,
};
use esclusa_core::alarm::{AlarmState, SeenAlarm};
use esclusa_core::lane::{Lane, Step};
use esclusa_core::observation::{Cue, Event, Fleet, Look, Order, Saw, Sent};
use esclusa_core::order::{
    Answer, CommandId, ContainerHealth, Heard, Invocation, LastChange, PutBack,
};
use esclusa_core::reason::{Code, Reason};
use esclusa_core::release::{Availability, Release, Running};
use esclusa_core::request::{Request, RequestId, Wish};
use esclusa_core::scan::{Scanned, State};
use esclusa_core::secret::SecretState;
use esclusa_core::time::Timestamp;
use esclusa_core::traffic::SeenGroup;
use esclusa_shell::retain::Stop;
use serde_json::Value;

use crate::record_samples::{digest, full, host, phases, release, report, rollout, stops};

#[track_caller]
fn assert_kept(lane: &Lane) {
    let text = write_lane(lane).unwrap();
    let read = read_lane(&text).unwrap();
    assert_eq!(read, *lane, "{text}");
    assert_eq!(write_lane(&read).unwrap(), text, "the same lane, the same text");
}

#[test]
fn every_variant_is_kept() {
    assert_kept(&Lane::new("a1#staging".parse().unwrap(), 1));
    for phase in phases() {
        assert_kept(&full(phase.clone()));
        let (lane, ended) = (full(phase.clone()).id, rollout(phase));
        let text = write_rollout(&ended).unwrap();
        assert_eq!(read_rollout(&lane, &text).unwrap(), ended, "{text}");
    }
}

/// A lane is read into an empty one, so a new field would be forgotten without a word.
#[test]
fn every_field_of_a_lane_is_stored() {
    let lane = Lane::new("a1#staging".parse().unwrap(), 1);
    let printed = format!("{lane:#?}");
    let fields = printed.lines().filter_map(|line| {
        let name = line.strip_prefix("    ")?.split_once(": ")?.0;
        (!name.starts_with(' ')).then(|| name.to_owned())
    });
    let of_the_pass = ["ended", "promoted", "pinned", "facts", "due"];
    let fields: BTreeSet<String> =
        fields.filter(|name| !of_the_pass.contains(&name.as_str())).collect();
    let stored: Value = serde_json::from_str(&write_lane(&lane).unwrap()).unwrap();
    let stored: BTreeSet<String> = stored["record"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(stored, fields);
}

/// What was stored once must be readable for ever: this text is never changed. Members may be
/// added to the form, with a default; anything else needs a new version and a reader of this one.
#[test]
fn version_1_is_read_for_ever() {
    let lane = Lane::new("a1#staging".parse().unwrap(), 1);
    let expected = concat!(
        r#"{"v":1,"record":{"id":"a1#staging","revision":0,"epoch":1,"generation":0,"#,
        r#""lease":null,"armed":null,"repository":null,"current":null,"successes":[],"#,
        r#""desired":null,"blocker":null,"rollout":null,"asked":null,"last_attempt":null,"#,
        r#""hold":null,"adopted":false,"quarantine":{},"hosts":{},"owed":{},"errands":{},"#,
        r#""requests":[]}}"#
    );
    assert_eq!(read_lane(expected).unwrap(), lane);
}

#[test]
fn a_run_of_retention_is_kept() {
    for stop in stops() {
        let text = write_report(&report(stop.clone())).unwrap();
        assert_eq!(read_report(&text).unwrap(), report(stop), "{text}");
    }
    let text = write_report(&report(Stop::Nothing)).unwrap();
    let error = read_report(&text.replace("\"pinned\"", "\"nailed\"")).unwrap_err().to_string();
    let expected = "the stored form cannot be read at `summary.kept_for`: `nailed` is no reason \
                    that is known";
    assert_eq!(error, expected);
}

/// What was stored once must be readable for ever: see [`version_1_is_read_for_ever`].
#[test]
fn version_1_of_a_run_is_read_for_ever() {
    let stored = concat!(
        r#"{"v":1,"record":{"service":"a1","run":"r-1","at":9,"summary":{"kept":3,"deleted":2,"#,
        r#""bytes":7,"kept_for":{"young":3},"deleted_for":{"untagged":2}},"deleted":1,"bytes":5,"#,
        r#""stop":{"cap":{"cap":1,"left":1}},"notes":["n"]}}"#
    );
    let read = read_report(stored).unwrap();
    assert_eq!(read.stop, Stop::Cap { cap: 1, left: 1 });
    assert_eq!(write_report(&read).unwrap(), stored);
}

#[test]
fn what_cannot_be_read_says_where() {
    let good = write_lane(&full(phases()[0].clone())).unwrap();
    for (from, to, expected) in [
        ("\"v\":1", "\"v\":2", "the stored form cannot be read at `v`: version 2 is newer than"),
        ("{\"v\"", "{", "the stored form cannot be read at `JSON`: key must be a string"),
        (
            "\"id\":\"acme/boletos#production\"",
            "\"id\":\"acme\"",
            "the stored form cannot be read at `id`: `acme` is not a lane",
        ),
        (
            "\"defaults\":\"\"",
            "\"defaults\":\"nonsense = 1\"",
            "the stored form cannot be read at `rollout.sources`: ",
        ),
    ] {
        let error = read_lane(&good.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{from} → {to}: {error}");
    }
}

/// A world that answers whatever a lane looks for, by chance.
struct Chance {
    random: fastrand::Rng,
    now: Timestamp,
}

impl Chance {
    fn release(&mut self) -> Release {
        let mut release = release(self.random.u32(1..5));
        release.availability = Availability::Active;
        release
    }

    fn running(&mut self) -> Running {
        match self.random.u32(0..6) {
            0 => Running::Nothing,
            1 => Running::Mixed,
            2 => Running::Local(digest(9)),
            _ => Running::Digest(digest(self.random.u32(1..5))),
        }
    }

    fn answer(&mut self, lane: &Lane) -> Answer {
        let wanted = lane.rollout.as_ref().map(|it| Running::Digest(it.candidate.digest.clone()));
        let now = match wanted {
            Some(wanted) if self.random.u32(0..4) > 0 => wanted,
            _ => self.running(),
        };
        let ok = self.random.u32(0..8) > 0;
        let code = if ok { Code::OK } else { Code::HEALTH_CONTAINER };
        Answer {
            one_way: self.random.bool(),
            runs_once: self.random.bool(),
            platform: self.random.bool().then(|| "linux/amd64".parse().unwrap()),
            zone: String::new(),
            reason: Reason::new(code, "said"),
            fence: None,
            before: self.running(),
            now,
            health: ContainerHealth::Healthy,
            last_change: LastChange::Finished,
            put_back: PutBack::NotNeeded,
            warnings: Vec::new(),
            took: Duration::from_secs(1),
        }
    }

    fn invocations(&mut self, lane: &Lane) -> Vec<Invocation> {
        let heard = (0..4).map(|number| {
            let heard = match self.random.u32(0..12) {
                0 => None,
                1 => Some(Heard::Unclear("noise".to_owned())),
                2 => Some(Heard::Silent),
                3 => Some(Heard::Gone),
                _ => Some(Heard::Answered(self.answer(lane))),
            };
            Invocation { host: host(number), heard }
        });
        heard.collect()
    }

    fn saw(&mut self, lane: &Lane, look: Look) -> Saw {
        match look {
            Look::Configuration => Saw::Configuration(Arc::default()),
            Look::Tag(tag) => {
                let release = (self.random.u32(0..8) > 0).then(|| self.release());
                Saw::Tag(tag, release)
            }
            Look::Scan(digest) => {
                let state = match self.random.u32(0..3) {
                    0 => State::Pending("IN_PROGRESS".to_owned()),
                    _ => State::Done(Vec::new()),
                };
                let scanned = Scanned { digest: digest.clone(), platform: String::new(), state };
                Saw::Scan(digest, Arc::new(vec![scanned]))
            }
            Look::Secret(name) => {
                let version = self.random.u32(0..3).to_string();
                Saw::Secret(name, SecretState::Usable { version })
            }
            Look::Alarms(names) => {
                let states = [AlarmState::Quiet, AlarmState::NoData, AlarmState::Red];
                let seen = |name| {
                    let state = self.random.choice(&states).cloned().unwrap();
                    (name, SeenAlarm::of(state))
                };
                Saw::Alarms(names.into_iter().map(seen).collect())
            }
            Look::Fleet => {
                let hosts = (0..self.random.u32(1..5)).map(host).collect();
                Saw::Fleet(Arc::new(Fleet { hosts, ..Fleet::default() }))
            }
            Look::Settings(group) => Saw::Settings(group, SeenGroup::Absent),
            Look::Targets(group) => Saw::Targets(group, Vec::new()),
            Look::Command(command) => Saw::Command(command, self.invocations(lane)),
            Look::Lost(key, ..) => {
                let found = self.random.bool().then(|| CommandId("found".to_owned()));
                Saw::Lost(key, found)
            }
        }
    }

    fn sent(&mut self, order: Order) -> Sent {
        match order {
            Order::Send(order) if self.random.u32(0..10) == 0 => Sent::Refused(order.key),
            Order::Send(order) => {
                Sent::Command(order.key, CommandId(format!("c-{}", self.random.u32(..))))
            }
            Order::Deregister(group, _) => Sent::Deregistered(group),
            Order::Register(group, targets) => {
                Sent::Registered { group, targets, refused: Vec::new() }
            }
        }
    }

    fn request(&mut self, lane: &Lane) -> Request {
        let back = lane.rollback_targets().next().cloned();
        let wish = match self.random.u32(0..10) {
            0 => Wish::Hold { reason: "lunch".to_owned() },
            1 => Wish::Rollback { to: back },
            2 => Wish::Deploy { release: self.release(), overriding: None },
            3 => Wish::Restart,
            4 => Wish::Abort,
            5 => Wish::Lift { digest: self.release().digest },
            6 => {
                let until = self.now.after(Duration::from_secs(self.random.u64(1..2000)));
                Wish::Pin { release: self.release(), until, reason: "audit".to_owned() }
            }
            7 => Wish::Unpin { digest: self.release().digest },
            _ => Wish::Release,
        };
        let id = RequestId(format!("r-{}", self.random.u32(..)));
        Request { id, actor: "ana".to_owned(), wish }
    }

    fn event(&mut self, lane: &Lane) -> Event {
        if let Some(look) = lane.looks().first().cloned() {
            return Event::Saw(self.saw(lane, look));
        }
        if let Some(order) = lane.orders().into_iter().next().filter(|_| self.random.u32(0..10) > 0)
        {
            return Event::Sent(self.sent(order));
        }
        self.now = self.now.after(Duration::from_secs(self.random.u64(1..60)));
        Event::Woke(if self.random.bool() { Cue::Outside } else { Cue::Inside })
    }
}

#[test]
fn whatever_happens_to_a_lane_is_kept() {
    let (mut ended, mut phases) = (0, BTreeSet::new());
    for seed in 0..20 {
        let mut chance = Chance {
            random: fastrand::Rng::with_seed(seed),
            now: Timestamp::from_millis(1_790_000_000_000),
        };
        let mut lane = Lane::new("acme/boletos#production".parse().unwrap(), 1);
        for _ in 0..300 {
            if chance.random.u32(0..12) == 0 {
                let request = chance.request(&lane);
                // A refusal changes nothing, which is as good here.
                let _refused = lane.ask(&request, chance.now);
            }
            let event = chance.event(&lane);
            let Step::Advance(next) = lane.step(&event, chance.now) else { continue };
            lane = *next;
            for rollout in &lane.ended {
                let text = write_rollout(rollout).unwrap();
                assert_eq!(read_rollout(&lane.id, &text).unwrap(), *rollout, "seed {seed}");
                ended += 1;
            }
            lane.saved();
            phases.extend(lane.rollout.as_ref().map(|it| it.phase.word()));
            assert_kept(&lane.clone().at_rest());
        }
    }
    assert!(ended > 50, "only {ended} rollouts ended");
    for word in ["gating", "prefetching", "activating", "baking", "verifying"] {
        assert!(phases.contains(word), "{word} was never met: {phases:?}");
    }
}
