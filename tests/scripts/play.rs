//! A script played over a simulated world.

use std::collections::BTreeSet;
use std::time::Duration;

use esclusa_core::digest::Digest;
use esclusa_core::lane::Lane;
use esclusa_core::name::{HostId, LaneId, Tag};
use esclusa_core::release::{Availability, Release, Running};
use esclusa_core::rollout::{End, Phase, Rollout};
use esclusa_shell::operate::Action;
use esclusa_shell::ports::Wanted;
use esclusa_sim::{Adversary, Behaviour, Simulation, World};

use crate::command::{Asked, Command, Happening, Hosts, Push, Show, Until};
use crate::name::{Names, host};
use crate::setting::Settings;
use crate::show;
use crate::transcript::Transcript;

/// The one seed: it decides how long things take, and nothing else.
const SEED: u64 = 7;

/// How long something is awaited.
const LIMIT: Duration = Duration::from_hours(3);

/// How long after the end of a rollout everybody has been told.
const TOLD: Duration = Duration::from_secs(5);

/// How often it is looked whether it has come.
const LOOK: Duration = Duration::from_millis(500);

/// Longer than any script.
const FOR_GOOD: Duration = Duration::from_hours(1000);

/// A world under way.
pub(crate) struct Player {
    pub(crate) simulation: Simulation,
    pub(crate) names: Names,
    pub(crate) lane: LaneId,
    settings: Settings,
    /// The tags of the last push.
    pushed: Vec<Tag>,
    /// The number of the last message that was shown.
    pub(crate) shown: u64,
}

/// Plays a script, and returns what each of its commands said.
pub(crate) fn play(script: &Transcript) -> Result<Vec<Vec<String>>, String> {
    let mut player = Player {
        simulation: Simulation::new(World::new(Duration::from_secs(10)), Adversary::idle(SEED)),
        names: Names::default(),
        lane: "acme/boletos#production".parse().unwrap(),
        settings: Settings::new(),
        pushed: Vec::new(),
        shown: 0,
    };
    let told = std::env::var("TOLD").is_ok_and(|it| it == "1");
    player.simulation.with(|world, _| world.told = told);
    let said = player.all(script);
    let transcript = player.simulation.with(|world, _| std::mem::take(&mut world.transcript));
    for line in &transcript {
        eprintln!("{}", player.names.plain(line));
    }
    said
}

impl Player {
    fn all(&mut self, script: &Transcript) -> Result<Vec<Vec<String>>, String> {
        let mut said = Vec::new();
        let mut last = None;
        for step in script.steps() {
            let done = self.carry_out(&step.command).and_then(|said| self.whole().map(|()| said));
            said.push(done.map_err(|it| script.at(step, &self.names.plain(&it)))?);
            last = Some(step);
        }
        if let Some(step) = last {
            self.simulation.rest();
            let rested = self.whole();
            let at_rest = |it: String| format!("at rest afterwards: {}", self.names.plain(&it));
            rested.map_err(|it| script.at(step, &at_rest(it)))?;
        }
        Ok(said)
    }

    fn carry_out(&mut self, command: &Command) -> Result<Vec<String>, String> {
        match command {
            Command::Fleet(count, settings) => self.fleet(*count, settings)?,
            Command::Running(name, hosts) => self.running(name, hosts)?,
            Command::Push(push) => self.push(push)?,
            Command::Tag(tag, name) => self.tag(&[tag.as_str()], name)?,
            Command::Withdraw(name, archived) => {
                let digest = self.known(name)?;
                self.simulation.with(|world, _| world.withdraw(&digest, *archived));
            }
            Command::LoseEvent => {
                if self.simulation.with(|world, _| world.lose_events()) == 0 {
                    return Err("there is no event that could be lost".to_owned());
                }
            }
            Command::ReplayEvent(None) => self.tell_of_tags(),
            Command::ReplayEvent(Some(name)) => {
                self.known(name)?;
                self.pushed = [name, "latest"].iter().flat_map(|tag| tag.parse()).collect();
                self.tell_of_tags();
            }
            Command::Advance(span) => self.advance(*span),
            Command::AdvanceUntil(what) => self.advance_until(what)?,
            Command::Add(number) => self.simulation.with(|world, _| world.join(*number)),
            Command::Host(number, what) => self.happen(*number, what)?,
            Command::Configure(settings) => {
                self.settings.take(settings)?;
                self.configure();
            }
            Command::BreakConfiguration => {
                let text = "[environments.production]\nwaves = \"soon\"\n".to_owned();
                self.simulation.with(|world, _| world.configure(text));
            }
            Command::Alarm(state) => {
                self.simulation.with(|world, _| world.alarm_says(state.clone()));
            }
            Command::BackUp => self.simulation.with(|world, _| world.back_up_ledger()),
            Command::RestoreLedger => self.simulation.with(|world, _| world.restore_ledger()),
            Command::Rotate => self.simulation.with(|world, _| world.rotate()),
            Command::DeleteSecret(deleted) => {
                self.simulation.with(|world, _| world.delete_secret(*deleted));
            }
            Command::SlowScans => self.simulation.with(|world, _| world.slow_scans()),
            Command::Scanned(name, blocks) => {
                let digest = self.known(name)?;
                self.simulation.with(|world, _| world.scan_finds(&digest, *blocks));
            }
            Command::Ask(asked) => return self.ask(asked),
            Command::Crash(call, after) => {
                self.simulation.with(|_, adversary| adversary.crash_in(*call, *after));
            }
            Command::Show(what) => return self.show(what),
        }
        Ok(Vec::new())
    }

    /// Whether every invariant holds.
    fn whole(&mut self) -> Result<(), String> {
        self.simulation.with(|world, _| world.broken.first().cloned().map_or(Ok(()), Err))
    }

    fn fleet(&mut self, count: usize, settings: &str) -> Result<(), String> {
        self.settings.take(settings)?;
        let balanced = self.settings.balanced;
        self.names.group = self.simulation.with(|world, _| balanced.then(|| world.balance()));
        self.configure();
        for number in 1..=count {
            self.simulation.with(|world, _| world.place(number, &Running::Nothing));
        }
        Ok(())
    }

    fn configure(&mut self) {
        let text = self.settings.text(self.names.group);
        let signals = text.contains("alarms") || text.contains("secrets");
        self.simulation.with(|world, _| {
            world.configure(text);
            if signals {
                world.add_signals();
            }
        });
    }

    fn running(&mut self, name: &str, hosts: &Hosts) -> Result<(), String> {
        let digest = self.image(name, None);
        let hosts = match hosts {
            Hosts::One(number) => vec![self.host(*number)?],
            Hosts::All => {
                let states = self.simulation.with(|world, _| world.host_states());
                states.into_iter().map(|it| it.id).collect()
            }
        };
        for id in hosts {
            let running = Running::Digest(digest.clone());
            self.simulation.with(|world, _| world.begin_with(&id, &running));
        }
        Ok(())
    }

    /// An image that the registry has, made if there is none of the name.
    fn image(&mut self, name: &str, behaviour: Option<Behaviour>) -> Digest {
        let known = self.names.knows(name);
        let digest = self.names.image(name);
        let label: Tag = if name.starts_with('v') { name } else { "latest" }.parse().unwrap();
        self.simulation.with(|world, _| {
            let release = Release {
                digest: digest.clone(),
                repository: "127.0.0.1:5000/acme/boletos".to_owned(),
                tags: BTreeSet::new(),
                label,
                bytes: 1_000_000,
                pushed_at: world.now,
                availability: Availability::Active,
            };
            let entry = world.images.entry(digest.clone());
            let (_, it) = entry.or_insert((release, Behaviour::Good));
            *it = behaviour.unwrap_or(*it);
        });
        if !known && name.starts_with('v') {
            let tag: Tag = name.parse().unwrap();
            self.simulation.with(|world, _| world.retag(&tag, &digest, false));
        }
        digest
    }

    fn push(&mut self, push: &Push) -> Result<(), String> {
        let digest = self.image(&push.name, push.behaviour);
        if let Some(number) = push.spoils {
            let id = self.host(number)?;
            self.simulation.with(|world, _| world.spoil(&id, &digest));
        }
        let version = push.name.starts_with('v').then_some(push.name.as_str());
        let more = push.tags.iter().map(String::as_str);
        let tags: Vec<&str> = version.into_iter().chain(more).chain(["latest"]).collect();
        self.tag(&tags, &push.name)
    }

    fn tag(&mut self, tags: &[&str], name: &str) -> Result<(), String> {
        let digest = self.known(name)?;
        self.pushed = tags.iter().map(|tag| tag.parse().unwrap()).collect();
        for tag in &self.pushed {
            let followed = tag.as_str() == "latest";
            self.simulation.with(|world, _| world.retag(tag, &digest, followed));
        }
        self.tell_of_tags();
        Ok(())
    }

    fn tell_of_tags(&mut self) {
        for tag in &self.pushed {
            self.simulation.with(|world, _| world.tell_of(tag));
        }
    }

    fn known(&mut self, name: &str) -> Result<Digest, String> {
        if self.names.knows(name) {
            return Ok(self.names.image(name));
        }
        Err(format!("there is no image `{name}`"))
    }

    fn host(&mut self, number: usize) -> Result<HostId, String> {
        let states = self.simulation.with(|world, _| world.host_states());
        let found = states.into_iter().map(|it| it.id).find(|it| *it == host(number));
        found.ok_or_else(|| format!("there is no host-{number}"))
    }

    fn happen(&mut self, number: usize, what: &Happening) -> Result<(), String> {
        let id = self.host(number)?;
        let changed = match what {
            Happening::IsChanged(name) => Some(self.image(name, None)),
            Happening::IsPruned
            | Happening::FallsSilent(_)
            | Happening::Stops(_)
            | Happening::Wakes
            | Happening::Dies => None,
        };
        self.simulation.with(|world, _| match what {
            Happening::IsPruned => world.prune(&id),
            Happening::FallsSilent(span) => {
                let until = world.now.after(span.unwrap_or(FOR_GOOD));
                world.silence(&id, until);
            }
            Happening::Stops(span) => {
                let until = world.now.after(*span);
                world.stop(&id, until);
            }
            Happening::Wakes => world.silence(&id, world.now),
            Happening::Dies => world.kill(&id),
            Happening::IsChanged(_) => {
                if let Some(digest) = changed {
                    world.tamper(&id, &Running::Digest(digest));
                }
            }
        });
        Ok(())
    }

    fn advance(&mut self, span: Duration) {
        let until = self.simulation.with(|world, _| world.now.after(span));
        self.simulation.run_until(until);
    }

    fn advance_until(&mut self, what: &Until) -> Result<(), String> {
        let limit = self.simulation.with(|world, _| world.now.after(LIMIT));
        let ended = self.ended();
        while !self.has_come(what, ended) {
            self.advance(LOOK);
            self.whole()?;
            if self.simulation.with(|world, _| world.now >= limit) {
                return Err("3 hours went by, and it did not come to that".to_owned());
            }
        }
        if let Until::Ended = what {
            self.advance(TOLD);
        }
        Ok(())
    }

    /// How many rollouts have ended that began.
    fn ended(&mut self) -> usize {
        let began = |it: &&Rollout| !matches!(it.end(), Some((End::Superseded, _)));
        let lane = self.lane.clone();
        self.simulation.with(|world, _| {
            let rollouts = world.rollouts.get(&lane).into_iter().flat_map(|it| it.values());
            rollouts.filter(began).count()
        })
    }

    fn has_come(&mut self, what: &Until, ended: usize) -> bool {
        if let Until::Ended = what {
            return self.ended() > ended;
        }
        let Some(rollout) = self.stored().and_then(|lane| lane.rollout) else { return false };
        match what {
            Until::Ended => false,
            Until::Started => true,
            Until::Wave(number) => {
                let changes = matches!(rollout.phase, Phase::Changing(_));
                changes && rollout.phase.word() != "checking" && rollout.wave().0 == *number
            }
            Until::Phase(word) => rollout.phase.word() == word,
            Until::TurningBack => !rollout.is_forward(),
        }
    }

    /// The lane as it is stored.
    pub(crate) fn stored(&mut self) -> Option<Lane> {
        let lane = self.lane.clone();
        self.simulation.with(|world, _| world.lanes.get(&lane).cloned())
    }

    /// A version as a person names it: by its tag, or, where that is gone, by its digest.
    pub(crate) fn wanted(&mut self, name: &str) -> Result<Wanted, String> {
        let digest = self.known(name)?;
        let tag: Tag = name.parse().map_err(|_| format!("`{name}` is no tag"))?;
        let bears = self.simulation.with(|world, _| world.tags.contains_key(&tag));
        Ok(if bears { Wanted::Tag(tag) } else { Wanted::Digest(digest) })
    }

    fn action(&mut self, words: &[String]) -> Result<Action, String> {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        Ok(match words.as_slice() {
            ["hold", reason @ ..] => Action::Hold { reason: reason.join(" ") },
            ["release"] => Action::Release,
            ["rollback"] => Action::Rollback,
            ["abort"] => Action::Abort,
            ["restart"] => Action::Restart,
            ["restored"] => Action::Restored,
            ["deploy", name] => Action::Deploy { version: self.wanted(name)?, overriding: None },
            ["deploy", name, "because", why @ ..] => {
                Action::Deploy { version: self.wanted(name)?, overriding: Some(why.join(" ")) }
            }
            ["lift", name] => Action::Lift { version: self.wanted(name)? },
            _ => return Err(format!("nobody can ask `{}`", words.join(" "))),
        })
    }

    fn ask(&mut self, asked: &Asked) -> Result<Vec<String>, String> {
        let action = self.action(&asked.words)?;
        let lane = self.lane.clone();
        let answer = self.simulation.request(&lane, &asked.actor, &action);
        let said = match answer.ok_or("the function did not answer")? {
            Ok(lane) => show::answer(&action, &lane),
            Err(error) => format!("no: {error}"),
        };
        Ok(vec![self.names.plain(&said)])
    }

    fn show(&mut self, what: &Show) -> Result<Vec<String>, String> {
        Ok(match what {
            Show::Rollout => show::rollout(self),
            Show::Steps => show::steps(self),
            Show::Lane => show::lane(self),
            Show::Hosts => show::hosts(self),
            Show::History => show::history(self),
            Show::Why(name) => show::why(self, name.as_deref())?,
            Show::Messages => show::messages(self),
        })
    }
}
