//! The words of scripts, and what they mean.

use std::time::Duration;

use esclusa_core::alarm::AlarmState;
use esclusa_sim::Behaviour;

/// What a script lets happen, or asks to see. Hosts are numbered from 1; images have names.
#[derive(Debug)]
pub(crate) enum Command {
    /// So many hosts, and how the service is configured.
    Fleet(usize, String),
    /// What hosts ran before Esclusa looked for the first time.
    Running(String, Hosts),
    Push(Push),
    /// A tag is moved to an image.
    Tag(String, String),
    /// The registry hands an image out no more; whether it is only archived.
    Withdraw(String, bool),
    LoseEvent,
    /// The events of the last push, or tag, come once more; or those of this image's push.
    ReplayEvent(Option<String>),
    Advance(Duration),
    AdvanceUntil(Until),
    Add(usize),
    /// Something happens to a host.
    Host(usize, Happening),
    Configure(String),
    BreakConfiguration,
    Ask(Asked),
    /// The alarm says this from now on; the truth again where nothing is said.
    Alarm(Option<AlarmState>),
    /// The ledger is backed up, and later as it was then.
    BackUp,
    RestoreLedger,
    /// The secret is given another version.
    Rotate,
    /// The secret is to be deleted; or not any more.
    DeleteSecret(bool),
    /// No scan is done before it is said so.
    SlowScans,
    /// The scan of an image is done; whether it found what blocks.
    Scanned(String, bool),
    /// The function dies at this call from now; whether after its effect.
    Crash(u64, bool),
    Show(Show),
}

/// An image that is pushed, and its tag with it.
#[derive(Debug)]
pub(crate) struct Push {
    pub(crate) name: String,
    pub(crate) behaviour: Option<Behaviour>,
    /// The one host on which it never becomes healthy.
    pub(crate) spoils: Option<usize>,
    /// Other tags that it is given.
    pub(crate) tags: Vec<String>,
}

/// What happens to a host.
#[derive(Debug)]
pub(crate) enum Happening {
    /// It loses the images that it does not use.
    IsPruned,
    /// Its agent hears nothing; for so long, or for good.
    FallsSilent(Option<Duration>),
    Wakes,
    /// Its instance is stopped for so long; Systems Manager lists it meanwhile.
    Stops(Duration),
    Dies,
    /// Someone makes it run this image.
    IsChanged(String),
}

#[derive(Debug)]
pub(crate) enum Hosts {
    All,
    One(usize),
}

/// What is waited for.
#[derive(Debug)]
pub(crate) enum Until {
    /// One more rollout has ended.
    Ended,
    /// A rollout is active.
    Started,
    /// Hosts of this wave are changed.
    Wave(usize),
    Phase(String),
    /// A rollout is on its way back.
    TurningBack,
}

/// What a person asks for, and who.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) words: Vec<String>,
    pub(crate) actor: String,
}

#[derive(Debug)]
pub(crate) enum Show {
    Rollout,
    Steps,
    Lane,
    Hosts,
    History,
    Why(Option<String>),
    Messages,
}

impl Command {
    /// Reads one line.
    pub(crate) fn read(line: &str) -> Result<Self, String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let owned = |it: &&str| (*it).to_owned();
        Ok(match words.as_slice() {
            ["fleet", count, ..] => {
                let rest = line.split_once(',').map_or("", |(_, rest)| rest);
                Self::Fleet(number(count)?, rest.to_owned())
            }
            ["running", name, "on", "all"] => Self::Running(owned(name), Hosts::All),
            ["running", name, "on", id] => Self::Running(owned(name), Hosts::One(host(id)?)),
            ["push", name, rest @ ..] => Self::Push(push(name, rest)?),
            ["tag", tag, name] => Self::Tag(owned(tag), owned(name)),
            ["archive", name] => Self::Withdraw(owned(name), true),
            ["delete", name] => Self::Withdraw(owned(name), false),
            ["lose", "the", "event"] => Self::LoseEvent,
            ["replay", "the", "event"] => Self::ReplayEvent(None),
            ["replay", "the", "event", "of", name] => Self::ReplayEvent(Some(owned(name))),
            ["advance", "until", what @ ..] => Self::AdvanceUntil(until(what)?),
            ["advance", count, unit] => Self::Advance(span(count, unit)?),
            ["add", id] => Self::Add(host(id)?),
            ["configure", ..] => Self::Configure(line.replacen("configure", "", 1)),
            ["break", "the", "configuration"] => Self::BreakConfiguration,
            ["ask", words @ .., "as", actor] => {
                Self::Ask(Asked { words: words.iter().map(owned).collect(), actor: owned(actor) })
            }
            ["ask", words @ ..] => {
                let words = words.iter().map(owned).collect();
                Self::Ask(Asked { words, actor: "ana".to_owned() })
            }
            ["crash", "the", "function", "at", "call", call, rest @ ..] => {
                let after = match rest {
                    [] => false,
                    ["after", "its", "effect"] => true,
                    _ => return Err(format!("a crash is not `{}`", rest.join(" "))),
                };
                Self::Crash(u64::try_from(number(call)?).unwrap(), after)
            }
            ["alarm", "is", word] => Self::Alarm(alarm(word)?),
            ["back", "up", "the", "ledger"] => Self::BackUp,
            ["restore", "the", "ledger"] => Self::RestoreLedger,
            ["rotate", "the", "secret"] => Self::Rotate,
            ["delete", "the", "secret"] => Self::DeleteSecret(true),
            ["restore", "the", "secret"] => Self::DeleteSecret(false),
            ["scans", "are", "slow"] => Self::SlowScans,
            ["scan", name, "finds", "nothing"] => Self::Scanned(owned(name), false),
            ["scan", name, "blocks"] => Self::Scanned(owned(name), true),
            ["show", what @ ..] => Self::Show(show(what)?),
            _ => {
                let (id, what) = happening(line, &words)?;
                Self::Host(host(id)?, what)
            }
        })
    }
}

/// What happens to which host.
fn happening<'a>(line: &str, words: &[&'a str]) -> Result<(&'a str, Happening), String> {
    Ok(match words {
        ["prune", id] => (*id, Happening::IsPruned),
        ["silence", id] => (*id, Happening::FallsSilent(None)),
        ["silence", id, "for", count, unit] => {
            (*id, Happening::FallsSilent(Some(span(count, unit)?)))
        }
        ["wake", id] => (*id, Happening::Wakes),
        ["stop", id, "for", count, unit] => (*id, Happening::Stops(span(count, unit)?)),
        ["kill", id] => (*id, Happening::Dies),
        ["someone", "runs", name, "on", id] => (*id, Happening::IsChanged((*name).to_owned())),
        _ => return Err(format!("there is no command `{line}`")),
    })
}

fn alarm(word: &str) -> Result<Option<AlarmState>, String> {
    match word {
        "well" => Ok(None),
        "red" => Ok(Some(AlarmState::Red)),
        "without-data" => Ok(Some(AlarmState::NoData)),
        "deleted" => Ok(Some(AlarmState::Deleted)),
        _ => Err(format!("no alarm is `{word}`")),
    }
}

fn number(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| format!("`{text}` is not a number"))
}

fn host(text: &str) -> Result<usize, String> {
    let digits = text.strip_prefix("host-").and_then(|it| it.parse().ok());
    digits.ok_or_else(|| format!("`{text}` is not a host; hosts are called `host-1`"))
}

fn span(count: &str, unit: &str) -> Result<Duration, String> {
    let count = u64::try_from(number(count)?).unwrap();
    match unit {
        "s" => Ok(Duration::from_secs(count)),
        "min" => Ok(Duration::from_mins(count)),
        "h" => Ok(Duration::from_hours(count)),
        _ => Err(format!("`{unit}` is not a unit of time: `s`, `min` or `h`")),
    }
}

fn push(name: &str, words: &[&str]) -> Result<Push, String> {
    let mut words = words.to_vec();
    let mut tags = Vec::new();
    if let Some(at) = words.iter().position(|it| *it == "tagged") {
        tags = words.split_off(at).split_off(1);
    }
    let spoils = match words.as_slice() {
        [.., "on", id] => Some(host(id)?),
        _ => None,
    };
    if spoils.is_some() {
        words.truncate(words.len() - 2);
    }
    let behaviour = match words.as_slice() {
        [] | ["again"] => None,
        ["unhealthy"] if spoils.is_some() => None,
        ["good"] => Some(Behaviour::Good),
        ["unhealthy"] => Some(Behaviour::Unhealthy),
        ["fails-target"] => Some(Behaviour::FailsTarget),
        ["fails-later"] => Some(Behaviour::FailsLater),
        ["dies-later"] => Some(Behaviour::DiesLater),
        ["cannot-be-pulled"] => Some(Behaviour::Missing),
        ["one-way"] => Some(Behaviour::OneWay),
        ["one-way", "unhealthy"] => Some(Behaviour::UnhealthyOneWay),
        _ => return Err(format!("no image behaves `{}`", words.join(" "))),
    };
    let tags = tags.into_iter().map(str::to_owned).collect();
    Ok(Push { name: name.to_owned(), behaviour, spoils, tags })
}

fn until(words: &[&str]) -> Result<Until, String> {
    match words {
        ["ended"] => Ok(Until::Ended),
        ["started"] => Ok(Until::Started),
        ["turning", "back"] => Ok(Until::TurningBack),
        ["wave", wave] => Ok(Until::Wave(number(wave)?)),
        ["phase", phase] => Ok(Until::Phase((*phase).to_owned())),
        _ => Err(format!("nothing is awaited as `{}`", words.join(" "))),
    }
}

fn show(words: &[&str]) -> Result<Show, String> {
    match words {
        ["rollout"] => Ok(Show::Rollout),
        ["steps"] => Ok(Show::Steps),
        ["lane"] => Ok(Show::Lane),
        ["hosts"] => Ok(Show::Hosts),
        ["history"] => Ok(Show::History),
        ["why"] => Ok(Show::Why(None)),
        ["why", name] => Ok(Show::Why(Some((*name).to_owned()))),
        ["messages"] => Ok(Show::Messages),
        _ => Err(format!("`{}` cannot be shown", words.join(" "))),
    }
}
