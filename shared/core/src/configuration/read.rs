//! Both texts together, read whole.

use std::cell::RefCell;
use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::DeTable;

use super::environment::{self, Compose, EnvironmentConfiguration, PRODUCTION, STAGING};
use super::nearest::nearest;
use super::node::{Page, Place};
use super::problem::{ConfigurationError, Origin, Problem};
use super::section::{Field, Section};
use super::{Configuration, fields, keys};
use crate::name::{Environment, Tag};

/// An environment with the places of what the others must agree with.
struct Placed {
    configuration: EnvironmentConfiguration,
    tag: Option<Place>,
    version_tag: Option<Place>,
}

/// Reads the texts, the strongest first.
pub(super) fn read(texts: &[(Origin, &str)]) -> Result<Configuration, ConfigurationError> {
    let problems = RefCell::new(Vec::new());
    let pages: Vec<Page<'_>> =
        texts.iter().map(|&(origin, text)| Page { origin, text, problems: &problems }).collect();
    let tables: Vec<(&Page<'_>, Spanned<DeTable<'_>>)> =
        pages.iter().filter_map(|page| Some((page, parse(page)?))).collect();
    let views: Vec<_> = tables.iter().map(|(page, table)| (*page, table.get_ref())).collect();
    let configuration = configuration(&Section::root(&views, &keys::ROOT), &problems);
    let problems = problems.take();
    if problems.is_empty() { Ok(configuration) } else { Err(ConfigurationError::new(problems)) }
}

/// The most bytes that a value in Parameter Store can have.
const LONGEST: usize = 8192;

/// The table of a text that is TOML; else reports why not.
fn parse<'t>(page: &Page<'t>) -> Option<Spanned<DeTable<'t>>> {
    let length = page.text.len();
    if length > LONGEST {
        let room = "the text is longer than the 8192 bytes that Parameter Store holds";
        page.report(0, format!("{room}, by {}; shorten it", length.saturating_sub(LONGEST)));
        return None;
    }
    let (table, errors) = DeTable::parse_recoverable(page.text);
    for error in &errors {
        let at = error.span().map_or(0, |span| span.start);
        page.report(at, format!("this is not TOML: {}", error.message()));
    }
    errors.is_empty().then_some(table)
}

fn configuration(root: &Section<'_>, problems: &RefCell<Vec<Problem>>) -> Configuration {
    let compose = root.field("compose", fields::compose).or(Compose::Auto);
    let sections = root.free("environments");
    let mut names = sections.names();
    names.extend([PRODUCTION, STAGING].map(str::to_owned));
    let mut environments = BTreeMap::new();
    for name in names {
        environments.extend(named(&sections, &name, compose));
    }
    problems.borrow_mut().extend(disagreements(&environments));
    Configuration {
        environments: environments
            .into_iter()
            .map(|(environment, placed)| (environment, placed.configuration))
            .collect(),
        retention: fields::retention(&root.section("retention", &keys::RETENTION)),
    }
}

/// One environment; `None` for one that the service does not have or that is reported already.
fn named(sections: &Section<'_>, name: &str, compose: Compose) -> Option<(Environment, Placed)> {
    let environment = sections.accept_key::<Environment>(name)?;
    let default = environment::default_tag(&environment);
    let section = sections.section(name, &keys::ENVIRONMENT);
    let tag = fields::tag(&section);
    let version_tag = fields::version_tag(&section);
    if default.is_none() && matches!(tag, Field::Absent) {
        section.refuse_own(missing_tag(name));
    }
    let known = default.is_some() || matches!(tag, Field::Read(..));
    let places = (tag.place(), version_tag.place());
    // A name of an environment is always one of a tag too; the last resort is never followed.
    let fallback = sections.accept_key::<Tag>(default.unwrap_or(name))?;
    let mut defaults = EnvironmentConfiguration::defaults(&environment, tag.or(fallback));
    defaults.compose = compose;
    defaults.require_version_tag = version_tag.or(defaults.require_version_tag);
    let configuration = fields::environment(&section, defaults);
    let (tag, version_tag) = places;
    known.then_some((environment, Placed { configuration, tag, version_tag }))
}

fn missing_tag(name: &str) -> String {
    let add = format!("`tag` is missing; add the tag that it follows, such as `tag = \"{name}\"`");
    match nearest(name, [PRODUCTION, STAGING]) {
        Some(meant) => format!("{add}, or did you mean `{meant}`?"),
        None => add,
    }
}

/// What is wrong between environments, each of which is right by itself.
fn disagreements(environments: &BTreeMap<Environment, Placed>) -> Vec<Problem> {
    let mut problems = Vec::new();
    for one in environments {
        problems.extend(environments.iter().filter_map(|other| same_tag(one, other)));
        let mut moving = environments.iter().filter_map(|other| moving_version(one, other));
        if one.1.version_tag.is_some() {
            // One example is enough to change the pattern.
            problems.extend(moving.next());
        } else {
            problems.extend(moving);
        }
    }
    problems
}

/// Two environments may not follow the same tag; the later text of the two is to be changed.
fn same_tag(
    (one, placed): (&Environment, &Placed),
    (other, following): (&Environment, &Placed),
) -> Option<Problem> {
    let tag = &placed.configuration.tag;
    // The pair is met in both orders; it is reported where the tag was written last.
    if one == other || *tag != following.configuration.tag || placed.tag <= following.tag {
        return None;
    }
    let what = format!("`{other}` follows `{tag}` already; each environment has a tag of its own");
    Some(placed.tag?.problem(&format!("environments.{one}.tag"), what))
}

/// A tag that an environment follows moves, so no environment may take it for a version.
fn moving_version(
    (one, placed): (&Environment, &Placed),
    (other, following): (&Environment, &Placed),
) -> Option<Problem> {
    let pattern = placed.configuration.require_version_tag.as_ref()?;
    let tag = &following.configuration.tag;
    if !pattern.matches(tag.as_str()) {
        return None;
    }
    if let Some(place) = placed.version_tag {
        let what = format!(
            "`{pattern}` fits `{tag}` too, which `{other}` follows; write a pattern that fits \
             only tags that never move"
        );
        return Some(place.problem(&format!("environments.{one}.require_version_tag"), what));
    }
    let what = format!(
        "`{tag}` fits `{pattern}`, which marks the versions of `{one}`; follow another tag, or \
         set `require_version_tag` there"
    );
    Some(following.tag?.problem(&format!("environments.{other}.tag"), what))
}
