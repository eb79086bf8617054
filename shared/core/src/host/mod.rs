//! What a host decides: from an order and what is seen on the host to the next step and the answer.
//!
//! The program in `hosts/` observes, takes the step that [`next_activation_turn`] names, and
//! reports; whatever plays a host does the same. Nothing is remembered between two turns but what a
//! step wrote down, so an order that was cut off at any point carries on when it is given again.

mod activate;
mod admission;
mod complaint;
mod conflict;
mod definition;
mod files;
mod finish;
mod guard;
mod health;
mod image;
mod inspect;
mod journal;
mod leftovers;
mod network;
mod once;
mod order;
mod pin;
mod plan;
pub mod policy;
mod prefetch;
mod project;
mod prune;
mod report;
mod restore;
mod running;
mod snapshot;
mod step;
mod takeover;
#[cfg(test)]
mod tests;

pub use activate::next_activation_turn;
pub use admission::{Admission, admit, check_time};
pub use complaint::{explain_pull, find_cause, shorten, was_lost_in_store};
pub use conflict::find_elsewhere;
pub use definition::{
    Condition, Definition, Dependency, Healthcheck, MountDefinition, NetworkDefinition, ONCE, Port,
    RUN_LABEL, ServiceDefinition, VolumeDefinition,
};
pub use files::{
    FileChoice, Files, NEXT_SHIPPED, ONCE_FILE, PIN, SHIPPED, choose_files, default_files,
};
pub use finish::{finish, history_after, is_last_word, is_one_way};
pub use health::{LONGEST_WAIT, Patience, Tally, Verdict, Watch, is_job, judge_container};
pub use image::{COMPOSE_LABEL, ROLLBACK_LABEL};
pub use inspect::{Inspection, inspect};
pub use journal::{BegunOnce, Finished, Journal, Kept, NewestOrder, Phase};
pub use once::{has_begun_once, is_once_container, runs_once};
pub use order::{Mode, Order, OrderError, Wanted, parse_fence};
pub use pin::{parse_pin, render_pin, set_variables};
pub use plan::{Plan, plan_activation};
pub use prefetch::next_prefetch_turn;
pub use project::{
    Command, Container, ContainerState, HealthWord, Image, Mount, Network, Observation, Problem,
    Volume,
};
pub use prune::{Prunable, choose_prunable};
pub use report::{Refusal, Report, Restored, exit_code};
pub use running::{keep_tag, running_of};
pub use snapshot::{Snapshot, SnapshotContainer};
pub use step::{Step, Turn};
pub use takeover::compare_projects;
