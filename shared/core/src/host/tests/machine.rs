//! A host that takes steps: enough of Docker and Compose to play whole orders.

use std::collections::{BTreeMap, BTreeSet};

use super::super::admission::{Admission, admit};
use super::super::journal::{Journal, NewestOrder};
use super::super::order::{Mode, Order};
use super::super::project::{Container, Observation};
use super::super::report::Report;
use super::super::step::Turn;
use super::super::{finish, is_last_word, next_activation_turn};
use super::world::*;
use crate::order::Fence;
use crate::reason::{Code, Reason};

/// More turns than any order may take here: a healthcheck has 40 s, a look is a second apart.
pub(super) const MOST_TURNS: usize = 400;

/// What becomes of a container once it is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It ends with an error, or is started again and again.
    Crashes,
    /// Its healthcheck fails.
    IsUnhealthy,
    /// Its healthcheck never says anything.
    NeverReady,
    /// It ends with 0 at once.
    Ends,
}

/// Where an order is cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// In the middle of the step.
    Within,
    /// Between the step and what is written down of it.
    After,
}

/// A host.
#[derive(Clone, Debug)]
pub(super) struct Machine {
    /// What would be seen on it.
    pub seen: Observation,
    /// What becomes of the containers of an image, by the engine's id and the service.
    pub fates: BTreeMap<(String, String), Fate>,
    /// Why the next steps of a kind fail, by the beginning of their names.
    pub failures: BTreeMap<&'static str, Reason>,
    /// The steps that were taken.
    pub taken: Vec<String>,
    /// How containers of snapshots were made.
    pub remembered: BTreeMap<Fence, BTreeMap<String, Container>>,
    /// How many containers were made here.
    pub made: u32,
}

impl Machine {
    pub(super) fn new(seen: Observation) -> Self {
        Self {
            seen,
            fates: BTreeMap::new(),
            failures: BTreeMap::new(),
            taken: Vec::new(),
            remembered: BTreeMap::new(),
            made: 0,
        }
    }

    /// The release fails in a service.
    pub(super) fn spoil(&mut self, letter: char, service: &str, fate: Fate) {
        self.fates.insert((id_of(letter), service.to_owned()), fate);
    }

    /// The host starts again: what is kept in memory is gone.
    pub(super) fn reboot(&mut self) {
        self.remembered.clear();
        self.seen.kept.remembered.clear();
    }

    /// Plays an order to its end.
    pub(super) fn play(&mut self, order: &Order) -> Report {
        self.play_until(order, None).unwrap()
    }

    /// Plays an order to its end, or until it is cut off at its turn of this number.
    pub(super) fn play_until(
        &mut self,
        order: &Order,
        cut: Option<(usize, Cut)>,
    ) -> Option<Report> {
        match admit(order, &self.seen.kept, order.issued_at) {
            Admission::Begun | Admission::CarriedOn => {}
            other @ (Admission::Refused(_) | Admission::Repeated(_)) => panic!("{other:?}"),
        }
        self.seen.kept.newest = Some(NewestOrder::of(order, None));
        let mut failure: Option<Reason> = None;
        for turn in 0..MOST_TURNS {
            let cut = cut.filter(|(at, _)| *at == turn).map(|(_, cut)| cut);
            let (step, then) = match next_activation_turn(order, &self.seen, failure.as_ref()) {
                Turn::Act(step, then) => (step, then),
                Turn::End(report) => {
                    self.finish(order, &report);
                    return Some(*report);
                }
            };
            let before = self.seen.kept.journal.clone();
            let result = self.take(&step, cut == Some(Cut::Within));
            if cut.is_some() {
                return None;
            }
            failure = result.clone().err();
            if let Ok(replaced) = result {
                self.write_journal(before, then.map(|it| *it), replaced);
            }
        }
        let last: Vec<_> = self.taken.iter().rev().take(6).collect();
        panic!("no end after {MOST_TURNS} turns: {last:#?}")
    }

    fn write_journal(
        &mut self,
        before: Option<Journal>,
        then: Option<Journal>,
        replaced: Option<(String, String)>,
    ) {
        let Some(mut journal) = then.or_else(|| before.filter(|_| replaced.is_some())) else {
            return;
        };
        journal.replaced.extend(replaced);
        self.seen.kept.journal = Some(journal);
    }

    fn finish(&mut self, order: &Order, report: &Report) {
        if !is_last_word(order, report) {
            return;
        }
        let finished = finish(order, report, &self.seen, ("{}", 0));
        if order.mode == Mode::Once {
            self.seen.kept.ran_once = Some(finished);
            return;
        }
        let journal = self.seen.kept.journal.take().filter(|it| it.is_of(order));
        if let Some(journal) = journal.as_ref().filter(|it| !it.replaced.is_empty()) {
            self.replace_in_snapshot(journal);
        }
        self.seen.kept.finished = Some(finished);
    }

    fn replace_in_snapshot(&mut self, journal: &Journal) {
        let Some(snapshot) = self.seen.kept.snapshots.get_mut(&journal.snapshot) else { return };
        *snapshot = snapshot.with_replaced(&journal.replaced);
        let remembered = self.remembered.entry(snapshot.source).or_default();
        for (old, new) in &journal.replaced {
            if let Some(made) = remembered.remove(old) {
                remembered.insert(new.clone(), made);
            }
        }
    }

    // ---- What is there -------------------------------------------------------------------------

    /// Every container that is up: service, number, release, and with whom it shares: with one of
    /// before, where that was started again since, or does not run.
    pub(super) fn tell(&self) -> String {
        let up = self.seen.containers.iter().filter(|it| it.state.is_up());
        let told: BTreeSet<String> = up.map(|it| self.tell_container(it)).collect();
        told.into_iter().collect::<Vec<_>>().join(", ")
    }

    fn tell_container(&self, container: &Container) -> String {
        let name = container.name.trim_start_matches("shop-");
        let letter = ('a'..='f').find(|it| id_of(*it) == container.image);
        let image = letter.map_or_else(|| "other".to_owned(), String::from);
        let owners = container.shares_with.iter().map(|it| {
            let owner = self.seen.container(it);
            let lost = owner.filter(|it| it.started_at > container.started_at || !it.state.is_up());
            let owner = owner.map_or("nobody", |it| it.name.trim_start_matches("shop-"));
            format!(" with {owner}{}", lost.map_or("", |_| " of before"))
        });
        format!("{name} {image}{}", owners.collect::<String>())
    }
}

pub(super) fn is_of(container: &Container, service: &str) -> bool {
    container.is_of("shop") && container.service.as_deref() == Some(service)
}

pub(super) fn failed(text: &str) -> Reason {
    Reason::new(Code::read("hosts.up"), text)
}
