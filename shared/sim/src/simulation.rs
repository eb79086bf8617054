//! The scheduler: invocations of the functions over one world, one port call at a time.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use esclusa_core::name::LaneId;
use esclusa_core::request::RequestId;
use esclusa_core::time::Timestamp;
use esclusa_shell::invocation::Invocation;
use esclusa_shell::operate::{Action, operate};
use esclusa_shell::ports::{Clock as _, Wanted};
use esclusa_shell::receive::{Notice, receive};
use esclusa_shell::retain::carry_out;

use crate::adversary::{Adversary, Fate};
use crate::meddle::strike;
use crate::ports::{Caller, Shared};
use crate::world::{Job, Message, World, say};

/// The function's timeout; the queue's visibility timeout is six times that.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);
const VISIBILITY: Duration = Duration::from_mins(3);
const SWEEP: Duration = Duration::from_mins(5);

/// How often every repository is looked through, and how long a push waits for more of them.
const ROUND: Duration = Duration::from_mins(20);
const BURST: Duration = Duration::from_mins(2);

/// Invocations at the same time, as the event source allows.
const CONCURRENCY: usize = 3;

/// Calls that answering a person takes, at most.
const CALLS: usize = 1000;

/// Deliveries of a message before it is given up.
const DELIVERIES: u32 = 5;

type Work = Pin<Box<dyn Future<Output = bool> + Send>>;

/// One invocation under way.
struct Running {
    work: Work,
    message: Option<Message>,
    ends_at: Timestamp,
    /// A call of it hangs until then.
    stalled_until: Timestamp,
    started: bool,
}

/// Invocations over one world.
pub struct Simulation {
    shared: Arc<Mutex<Shared>>,
    running: Vec<Running>,
    invocations: u64,
    next_sweep: Timestamp,
    next_round: Timestamp,
}

impl Simulation {
    /// A simulation of this world.
    #[must_use]
    pub fn new(world: World, adversary: Adversary) -> Self {
        let next_sweep = world.now.after(SWEEP);
        let next_round = world.now.after(ROUND);
        let shared = Shared { world, adversary, fate: Fate::Works, crashed: false };
        Self {
            shared: Arc::new(Mutex::new(shared)),
            running: Vec::new(),
            invocations: 0,
            next_sweep,
            next_round,
        }
    }

    /// The world as the next invocation sees it.
    pub(crate) fn caller(&mut self) -> Caller {
        self.invocations = self.invocations.saturating_add(1);
        let name = format!("invocation-{}", self.invocations);
        let skew = self.with(|_, adversary| adversary.skew());
        Caller { shared: Arc::clone(&self.shared), name, skew }
    }

    /// Lets one piece of work make all its calls at once, while everything else waits.
    pub(crate) fn finish<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = std::pin::pin!(work);
        for _ in 0..CALLS {
            {
                let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
                let latency = shared.adversary.latency();
                shared.world.now = shared.world.now.after(latency);
                shared.fate = Fate::Works;
            }
            let polled = work.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            if let Poll::Ready(done) = polled {
                return Some(done);
            }
        }
        None
    }

    /// Looks at, or changes, the world between two calls.
    pub fn with<T>(&mut self, act: impl FnOnce(&mut World, &mut Adversary) -> T) -> T {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let Shared { world, adversary, .. } = &mut *shared;
        act(world, adversary)
    }

    /// A person asks for something, by the function made for it.
    pub fn ask(&mut self, lane: &LaneId, action: Action) {
        let caller = self.caller();
        let lane = lane.clone();
        let id = RequestId(format!("request-{}", self.invocations));
        self.with(|world, _| world.marks.hear_wish(&action, world.now));
        let shared = Arc::clone(&self.shared);
        let work = async move {
            if operate(&caller, &lane, (id, "ana".to_owned()), &action).await.is_ok() {
                let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
                let now = shared.world.now;
                shared.world.marks.hear_hold(&action, now);
            }
            true
        };
        self.begin(Box::pin(work), None);
    }

    fn begin(&mut self, work: Work, message: Option<Message>) {
        let now = self.with(|world, _| world.now);
        let (ends_at, stalled_until) = (now.after(TIMEOUT), Timestamp::default());
        self.running.push(Running { work, message, ends_at, stalled_until, started: false });
    }

    /// Lets the simulation run until `until`, or until nothing is left to do.
    pub fn run_until(&mut self, until: Timestamp) {
        while self.with(|world, _| world.now < until && world.broken.is_empty()) {
            self.turn(until);
        }
        self.with(|world, adversary| {
            world.stir();
            world.run(adversary);
        });
    }

    /// One turn: a call is made, or a message is received, or time passes.
    fn turn(&mut self, until: Timestamp) {
        self.with(World::run);
        self.with(strike);
        self.sweep();
        let receives = self.running.is_empty() || self.with(|_, adversary| adversary.below(3) == 0);
        if receives && self.running.len() < CONCURRENCY && self.receive_one() {
            return;
        }
        let now = self.with(|world, _| world.now);
        let ready: Vec<usize> = (self.running.iter().enumerate())
            .filter(|(_, it)| it.stalled_until <= now)
            .map(|(index, _)| index)
            .collect();
        if ready.is_empty() {
            self.pass_time(until);
            return;
        }
        let choice = self.with(|_, adversary| adversary.below(ready.len()));
        if let Some(index) = ready.get(choice) {
            self.poll(*index);
        }
    }

    fn sweep(&mut self) {
        let (now, tempting) = self.with(|world, _| (world.now, world.shelf.tempting.take()));
        if now >= self.next_sweep {
            self.next_sweep = self.next_sweep.after(SWEEP);
            self.with(|world, _| world.enqueue(Notice::Sweep, Duration::ZERO));
        }
        if now >= self.next_round {
            self.next_round = self.next_round.after(ROUND);
            self.with(|world, _| world.look_through());
        }
        if let Some(digest) = tempting {
            let action = Action::Deploy { version: Wanted::Digest(digest), overriding: None };
            crate::happen::ask(self, action);
        }
    }

    /// Receives a message that is visible, and starts an invocation for it.
    fn receive_one(&mut self) -> bool {
        let message = self.with(|world, adversary| {
            let now = world.now;
            let visible: Vec<usize> = (world.queue.iter().enumerate())
                .filter(|(_, message)| message.visible_at <= now)
                .map(|(index, _)| index)
                .collect();
            let index = *visible.get(adversary.below(visible.len()))?;
            let mut message = world.queue.remove(index);
            message.received = message.received.saturating_add(1);
            if adversary.once_in(20) {
                world.queue.push(message.clone());
            }
            Some(message)
        });
        let Some(message) = message else { return false };
        let (caller, job) = (self.caller(), message.job.clone());
        let now = caller.now();
        let me = Invocation {
            id: caller.name.clone(),
            ends_at: now.after(TIMEOUT),
            stops_at: now.after(Duration::from_secs(20)),
        };
        let work = async move {
            match job {
                Job::Notice(notice) => Box::pin(receive(&caller, &notice, &me)).await.is_ok(),
                Job::Task(task) => Box::pin(carry_out(&caller, &task, BURST, &me)).await.is_ok(),
            }
        };
        self.begin(Box::pin(work), Some(message));
        true
    }

    /// Lets one invocation make its next call.
    fn poll(&mut self, index: usize) {
        let Some(running) = self.running.get_mut(index) else { return };
        let shared = Arc::clone(&self.shared);
        let lock = || shared.lock().unwrap_or_else(PoisonError::into_inner);
        let now = {
            let mut shared = lock();
            let latency = shared.adversary.latency();
            shared.world.now = shared.world.now.after(latency);
            shared.world.now
        };
        if now >= running.ends_at {
            self.end(index, false);
            return;
        }
        if running.started && running.stalled_until == Timestamp::default() {
            let mut shared = lock();
            shared.fate = shared.adversary.fate();
            if let Fate::Stalls(span) = shared.fate {
                running.stalled_until = now.after(span);
                return;
            }
        } else {
            lock().fate = Fate::Works;
        }
        running.started = true;
        running.stalled_until = Timestamp::default();
        let polled = running.work.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        let crashed = std::mem::take(&mut lock().crashed);
        match polled {
            Poll::Ready(done) => self.end(index, done),
            Poll::Pending if crashed => self.end(index, false),
            Poll::Pending => {}
        }
    }

    /// Ends an invocation; a message that was not dealt with comes back.
    fn end(&mut self, index: usize, done: bool) {
        let running = self.running.swap_remove(index);
        let Some(mut message) = running.message else { return };
        if done {
            return;
        }
        self.with(|world, _| {
            if message.received >= DELIVERIES {
                say!(world, "given up: {:?}", message.job);
                return;
            }
            message.visible_at = world.now.after(VISIBILITY);
            world.queue.push(message);
        });
    }

    /// Moves the clock to the next instant at which something can happen.
    fn pass_time(&mut self, until: Timestamp) {
        let mut next = self.next_sweep.min(until);
        for running in &self.running {
            next = next.min(running.stalled_until);
        }
        self.with(|world, _| {
            next = world.next_change().map_or(next, |change| change.min(next));
            world.now = world.now.after(Duration::from_millis(1)).max(next);
        });
    }
}
