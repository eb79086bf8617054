//! ECR's own lifecycle policy, as far as it could delete what must stay.
//!
//! A rule selects images by their tags. It acts on those that are beyond a count or older than an
//! age, and leaves alone what a rule of a higher priority selects. Parts of an index go with it,
//! and never before it.

use super::inventory::Inventory;
use super::plan::Plan;
use super::reason::{Keep, Verdict};
use super::{Image, graph::Graph};
use crate::configuration::Pattern;
use crate::digest::Digest;
use crate::release::Availability;

/// Which images a rule selects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tagging {
    /// Those without a tag.
    Untagged,
    /// All of them.
    Any,
    /// Those that have, for each of these prefixes, a tag that begins with it.
    Prefixes(Vec<String>),
    /// Those that have, for each of these patterns, a tag that fits it.
    Patterns(Vec<Pattern>),
}

/// On which of the selected images a rule acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// All but so many, by the time of their push.
    MoreThan(usize),
    /// Those that are older; how old they may grow does not matter here.
    Older,
}

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It deletes.
    Expire,
    /// It archives: the image cannot be pulled.
    Archive,
}

/// A rule of a lifecycle policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The lower, the earlier.
    pub priority: u64,
    /// What its author says of it.
    pub description: String,
    /// Which images it selects.
    pub tagging: Tagging,
    /// On which of them it acts.
    pub count: Count,
    /// How.
    pub action: Action,
}

/// A rule that could take away what must stay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Danger {
    /// Its priority, which names it.
    pub priority: u64,
    /// How many images that stay it could take.
    pub images: usize,
    /// For a person.
    pub text: String,
}

/// The rules that could take away images which the plan keeps, now or when they have grown older,
/// or when more are pushed.
#[must_use]
pub fn dangers(rules: &[Rule], inventory: &Inventory, plan: &Plan) -> Vec<Danger> {
    let graph = Graph::of(inventory);
    let mut rules: Vec<&Rule> = rules.iter().collect();
    rules.sort_by_key(|rule| rule.priority);
    let mut taken = vec![false; inventory.images().len()];
    let mut dangers = Vec::new();
    for rule in rules {
        let mut kept: Vec<(&Digest, String)> = Vec::new();
        for (place, image) in inventory.images().iter().enumerate() {
            let Some(taken) = taken.get_mut(place).filter(|it| !**it) else { continue };
            let part = graph.is_part(place);
            if part || image.availability == Availability::Archived || !rule.selects(image) {
                continue;
            }
            *taken = true;
            if let Some(verdict) = plan.verdicts.get(place).filter(|it| rule.endangers(it)) {
                kept.push((&image.digest, verdict.to_string()));
            }
        }
        dangers.extend(rule.danger(&kept));
    }
    dangers
}

impl Rule {
    fn selects(&self, image: &Image) -> bool {
        let any = |fits: &dyn Fn(&str) -> bool| image.tags.iter().any(|tag| fits(tag));
        match &self.tagging {
            Tagging::Untagged => image.tags.is_empty(),
            Tagging::Any => true,
            Tagging::Prefixes(all) => {
                all.iter().all(|prefix| any(&|tag| tag.starts_with(prefix.as_str())))
            }
            Tagging::Patterns(all) => all.iter().all(|it| any(&|tag| it.matches(tag))),
        }
    }

    /// Whether it matters that the rule takes an image on which this is the verdict. What stays for
    /// its age alone is not there to stay when a rule finds it old enough.
    fn endangers(&self, verdict: &Verdict) -> bool {
        let passing = matches!(verdict, Verdict::Keep(Keep::Young(_) | Keep::Unmapped(_)));
        verdict.keeps() && !(passing && self.count == Count::Older)
    }

    fn danger(&self, kept: &[(&Digest, String)]) -> Option<Danger> {
        let (first, why) = kept.first()?;
        let (priority, description) = (self.priority, &self.description);
        let does = match self.action {
            Action::Expire => "delete",
            Action::Archive => "archive",
        };
        let when = match self.count {
            Count::MoreThan(count) => format!("beyond the {count} newest"),
            Count::Older => "once they are old enough".to_owned(),
        };
        let named =
            if description.is_empty() { String::new() } else { format!(" (“{description}”)") };
        let (images, first) = (kept.len(), first.short());
        let text = format!(
            "rule {priority}{named} of the repository's lifecycle policy could {does} {images} \
             image(s) that must stay, {when}, such as {first}: {why}; remove the rule, for \
             Esclusa's retention does what it is for"
        );
        Some(Danger { priority, images, text })
    }
}
