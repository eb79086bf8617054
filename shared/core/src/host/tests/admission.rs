//! Whether an order may begin.

use super::super::admission::{Admission, admit};
use super::super::journal::{Finished, Journal, Kept, NewestOrder, Phase};
use super::super::order::{Mode, Order, Wanted};
use super::super::step::Turn;
use super::super::{activate::next_activation_turn, project::Observation};
use super::world::*;
use crate::name::LaneId;
use crate::order::{Fence, Verb};

/// A row changes what is kept, and the order with the fence 1.7 to release `b`.
type Row = (&'static str, fn(&mut Kept, &mut Order), &'static str);

fn tell(admission: Admission) -> String {
    match admission {
        Admission::Refused(refusal) => format!("{}: {}", refusal.0.code, refusal.0.text),
        Admission::Repeated(finished) => format!("repeats {}", finished.answer),
        Admission::CarriedOn => "carries on".to_owned(),
        Admission::Begun => "begins".to_owned(),
    }
}

/// What is written down of an order that was cut off.
fn begun(generation: u64, letter: char) -> Journal {
    let seen: Observation = shop();
    let order = Order { fence: fence(generation), ..order(release(letter)) };
    match next_activation_turn(&order, &seen, None) {
        Turn::Act(_, Some(journal)) => *journal,
        turn @ (Turn::Act(_, None) | Turn::End(_)) => panic!("{turn:?}"),
    }
}

fn keeps(kept: &mut Kept, generation: u64) {
    kept.newest = Some(newest(lane(), fence(generation)));
}

fn newest(lane: LaneId, fence: Fence) -> NewestOrder {
    NewestOrder { lane, fence, not_after: at(0) }
}

fn other_lane() -> LaneId {
    LaneId { service: "api".parse().unwrap(), environment: "production".parse().unwrap() }
}

const FENCES: &[Row] = &[
    ("the first order of a host", |_, _| {}, "begins"),
    ("a newer order", |kept, _| keeps(kept, 6), "begins"),
    (
        "an older order",
        |kept, _| keeps(kept, 8),
        "order.stale: Order 1.7 is older than 1.8, which this host has seen.",
    ),
    (
        "an order of a ledger that was restored from a backup is newer, whatever its number",
        |kept, order| {
            keeps(kept, 900);
            order.fence = Fence { epoch: 2, generation: 1 };
        },
        "begins",
    ),
    (
        "an order from before the restore is older",
        |kept, _| kept.newest = Some(newest(lane(), Fence { epoch: 2, generation: 1 })),
        "order.stale: Order 1.7 is older than 2.1, which this host has seen.",
    ),
    (
        "M2: another lane's fences are no measure",
        |kept, _| kept.newest = Some(newest(other_lane(), fence(900))),
        "begins",
    ),
    (
        "a host that moved to this lane follows it",
        |kept, order| {
            let not_after = at(order.not_after.as_secs() - 1);
            kept.newest = Some(NewestOrder { not_after, ..newest(other_lane(), fence(900)) });
        },
        "begins",
    ),
    (
        "an order from before the host moved to another lane",
        |kept, order| {
            let not_after = at(order.not_after.as_secs() + 1);
            kept.newest = Some(NewestOrder { not_after, ..newest(other_lane(), fence(2)) });
        },
        "order.stale: Order 1.7 of shop in production is older than what api in production has \
         ordered here since.",
    ),
    (
        "an inspection from before the host moved to another lane",
        |kept, order| {
            let not_after = at(order.not_after.as_secs() + 1);
            kept.newest = Some(NewestOrder { not_after, ..newest(other_lane(), fence(2)) });
            order.verb = Verb::Inspect;
        },
        "order.stale: Order 1.7 of shop in production is older than what api in production has \
         ordered here since.",
    ),
    (
        "an older inspection, too, was overtaken",
        |kept, order| {
            keeps(kept, 8);
            order.verb = Verb::Inspect;
        },
        "order.stale: Order 1.7 is older than 1.8, which this host has seen.",
    ),
];

const AGAIN: &[Row] = &[
    (
        "an order that ended is answered as it was then",
        |kept, _| {
            keeps(kept, 7);
            kept.finished = Some(Finished { answer: "that".to_owned(), ..finished(7, 'b') });
        },
        "repeats that",
    ),
    (
        "its number for another image",
        |kept, _| {
            keeps(kept, 7);
            kept.finished = Some(finished(7, 'a'));
        },
        "order.stale: Order 1.7 was already used on this host, for \
         v-a@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaa\
         aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa change.",
    ),
    (
        "its number for a restart",
        |kept, order| {
            keeps(kept, 7);
            kept.finished = Some(finished(7, 'b'));
            order.mode = Mode::Restart;
        },
        "order.stale: Order 1.7 was already used on this host, for \
         v-b@sha256:bbbbbbbbbbbbbbbbbbbbbbbbbb\
         bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb change.",
    ),
    (
        "an order that was cut off",
        |kept, _| {
            keeps(kept, 7);
            kept.journal = Some(begun(7, 'b'));
        },
        "carries on",
    ),
    (
        "an order that was cut off on its way back",
        |kept, _| {
            keeps(kept, 7);
            kept.journal = Some(begun(7, 'b').entering(Phase::Restoring, at(NOW)));
        },
        "carries on",
    ),
    (
        "another order with its number",
        |kept, order| {
            keeps(kept, 7);
            kept.journal = Some(begun(7, 'b'));
            order.wanted = Wanted::Nothing;
        },
        "order.stale: Order 1.7 was already used on this host, for \
         v-b@sha256:bbbbbbbbbbbbbbbbbbbbbbbbbb\
         bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb change.",
    ),
    (
        "a newer order than one that was cut off",
        |kept, _| {
            keeps(kept, 6);
            kept.journal = Some(begun(6, 'a'));
        },
        "begins",
    ),
    (
        "an order that was seen and changed nothing",
        |kept, _| {
            keeps(kept, 7);
            kept.finished = Some(finished(6, 'a'));
        },
        "begins",
    ),
    (
        "a prefetch is repeated for what it finds now",
        |kept, order| {
            keeps(kept, 7);
            kept.finished = Some(finished(7, 'a'));
            order.verb = Verb::Prefetch;
        },
        "begins",
    ),
];

const TIMES: &[Row] = &[
    (
        "an order whose time has passed",
        |_, order| order.not_after = at(NOW),
        "order.expired: Order 1.7 was to begin before 1970-01-01T02:46:40Z, and it is \
         1970-01-01T02:46:40Z on this host: nothing was changed.",
    ),
    ("an order in its last second", |_, order| order.not_after = at(NOW + 1), "begins"),
    (
        "an inspection never expires",
        |_, order| (order.verb, order.not_after) = (Verb::Inspect, at(1)),
        "begins",
    ),
    (
        "an order that was cut off is carried on in its time only",
        |kept, order| {
            keeps(kept, 7);
            kept.journal = Some(begun(7, 'b'));
            order.not_after = at(NOW);
        },
        "order.expired: Order 1.7 was to begin before 1970-01-01T02:46:40Z, and it is \
         1970-01-01T02:46:40Z on this host: nothing was changed.",
    ),
    (
        "a clock that is a minute behind",
        |_, order| (order.issued_at, order.not_after) = (at(NOW + 60), at(NOW + 180)),
        "begins",
    ),
    (
        "a clock that is more than a minute behind",
        |_, order| (order.issued_at, order.not_after) = (at(NOW + 61), at(NOW + 181)),
        "hosts.clock: This host's clock is 61 s behind: check its time service (chronyd).",
    ),
];

#[test]
fn an_order_begins_once_and_in_its_time() {
    let decide = |prepare: fn(&mut Kept, &mut Order)| {
        let (mut kept, mut order) = (Kept::default(), order(release('b')));
        prepare(&mut kept, &mut order);
        tell(admit(&order, &kept, at(NOW)))
    };
    for rows in [FENCES, AGAIN, TIMES] {
        compare(rows.iter().map(|(row, prepare, expected)| (*row, decide(*prepare), *expected)));
    }
}
