//! Whole registries, drawn at random and grown push by push as real ones are.
#![expect(clippy::arithmetic_side_effects, reason = "an overflow fails the test")]

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::Index;

use super::world::{HOUR, NOW, World, ago, digest, host, tag_about};
use crate::digest::Digest;
use crate::lane::Need;
use crate::release::Availability;

const ENVIRONMENTS: [&str; 2] = ["production", "staging"];

#[derive(Clone, Debug)]
enum Shape {
    Single,
    /// An index of so many platforms, each with an attestation; it may name a part of an older
    /// index, one that is missing, and another index.
    Index {
        platforms: usize,
        shared: Option<Index>,
        missing: bool,
        nested: bool,
    },
    /// An index that cannot be read, of so many parts that nobody knows of.
    Unreadable {
        parts: usize,
    },
    Unknown,
    Chart,
    /// A signature of these, by its subject or by its tags.
    Signature {
        of: Vec<Index>,
        way: Way,
    },
    /// Two images that refer to each other.
    Mutual,
}

#[derive(Clone, Copy, Debug)]
enum Way {
    Subject,
    Tags,
    /// Of nothing that is there.
    Gone,
}

#[derive(Clone, Copy, Debug)]
enum Tagging {
    Nothing,
    Version,
    Release,
    Staging,
    Feature(usize),
    Many(usize),
}

#[derive(Clone, Debug)]
struct Push {
    shape: Shape,
    tagging: Tagging,
    /// Hours since the push before.
    gap: u32,
    archived: bool,
    /// Hours since the registry saw a pull.
    pulled: Option<u32>,
    /// Hours since Esclusa read it, and since a pull before that.
    read: Option<(u32, Option<u32>)>,
    /// Which environments came to want it, after how many hundredths of its age.
    promoted: Vec<(&'static str, u32)>,
}

/// A registry, and what nobody knows of it.
#[derive(Clone, Debug)]
pub(super) struct Drawn {
    pub(super) world: World,
    /// What the unreadable indexes name.
    pub(super) hidden: BTreeMap<Digest, Vec<Digest>>,
}

fn shape(odd: u32) -> impl Strategy<Value = Shape> {
    let way = prop_oneof![3 => Just(Way::Subject), 3 => Just(Way::Tags), 1 => Just(Way::Gone)];
    let part = prop::option::weighted(0.3, any::<Index>());
    let index = (0..4_usize, part, prop::bool::weighted(0.1), prop::bool::weighted(0.1)).prop_map(
        |(platforms, shared, missing, nested)| Shape::Index { platforms, shared, missing, nested },
    );
    let signature = (prop::collection::vec(any::<Index>(), 1..3), way)
        .prop_map(|(of, way)| Shape::Signature { of, way });
    prop_oneof![
        120 => Just(Shape::Single),
        160 => index,
        odd => (0..4_usize).prop_map(|parts| Shape::Unreadable { parts }),
        4 => Just(Shape::Unknown),
        4 => Just(Shape::Chart),
        60 => signature,
        odd => Just(Shape::Mutual),
    ]
}

fn push(odd: u32) -> impl Strategy<Value = Push> {
    let tagging = prop_oneof![
        4 => Just(Tagging::Nothing),
        6 => Just(Tagging::Version),
        4 => Just(Tagging::Release),
        6 => Just(Tagging::Staging),
        6 => (0..20_usize).prop_map(Tagging::Feature),
        1 => (2..130_usize).prop_map(Tagging::Many),
    ];
    let gap = prop_oneof![1 => Just(0), 4 => 1..40_u32];
    let pulled = prop::option::weighted(0.2, 0..800_u32);
    let read = prop::option::weighted(0.2, (0..800_u32, prop::option::of(0..800_u32)));
    let wanted = (prop::sample::select(&ENVIRONMENTS[..]), 0..100_u32);
    let promoted = prop::collection::vec(wanted, 0..3);
    let archived = prop::bool::weighted(0.03);
    (shape(odd), tagging, gap, archived, pulled, read, promoted).prop_map(
        |(shape, tagging, gap, archived, pulled, read, promoted)| Push {
            shape,
            tagging,
            gap,
            archived,
            pulled,
            read,
            promoted,
        },
    )
}

/// Any registry; `odd` weighs what nobody can judge, such as indexes that cannot be read.
pub(super) fn registry(odd: u32) -> impl Strategy<Value = Drawn> {
    let need = prop_oneof![
        Just(Need::Runs(host())),
        Just(Need::Current),
        Just(Need::Target),
        Just(Need::Pinned(NOW.after(HOUR))),
    ];
    let need = (prop::sample::select(&ENVIRONMENTS[..]), any::<Index>(), need);
    let needs = prop::collection::vec(need, 0..8);
    (prop::collection::vec(push(odd), 0..150), needs, 1..12_usize).prop_map(
        |(pushes, needs, versions)| {
            let mut grown = Grown::default();
            grown.drawn.world.policy.versions = versions;
            let mut since: u32 = pushes.iter().map(|push| push.gap).sum();
            for (number, push) in pushes.iter().enumerate() {
                since -= push.gap;
                grown.push(number, push, since);
            }
            let mut drawn = grown.drawn;
            for (environment, index, need) in needs {
                if !drawn.world.images.is_empty() {
                    let digest = index.get(&drawn.world.images).digest.clone();
                    drawn.world.lineage(environment).needs.digests.insert(digest, need);
                }
            }
            drawn
        },
    )
}

impl Default for Drawn {
    fn default() -> Self {
        Self { world: World::new(), hidden: BTreeMap::new() }
    }
}

#[derive(Default)]
struct Grown {
    drawn: Drawn,
    /// Parts of indexes that can be read.
    parts: Vec<String>,
}

impl Grown {
    fn push(&mut self, number: usize, push: &Push, hours: u32) {
        let name = format!("i{number}");
        let first = self.drawn.world.images.len();
        self.shape(number, &name, &push.shape);
        let Drawn { world, .. } = &mut self.drawn;
        for image in &mut world.images[first..] {
            image.pushed_at = ago(hours * HOUR);
            image.pulled_at = push.pulled.map(|hours| ago(hours * HOUR));
            if push.archived {
                image.availability = Availability::Archived;
            }
        }
        if let Some((read, before)) = push.read {
            let memory = world.memory(&name);
            memory.read_at = Some(ago(read * HOUR));
            memory.pulled_before = before.map(|hours| ago(hours * HOUR));
        }
        if matches!(push.shape, Shape::Signature { .. } | Shape::Mutual) {
            return;
        }
        for (environment, hundredths) in &push.promoted {
            let at = ago((hours - hours * hundredths / 100) * HOUR);
            let environment = environment.parse().unwrap();
            world.memory(&name).promoted.insert(environment, at);
        }
        self.tag(number, &name, push.tagging);
    }

    fn shape(&mut self, number: usize, name: &str, shape: &Shape) {
        let Self { drawn: Drawn { world, hidden }, parts } = self;
        match shape {
            Shape::Single => {
                world.single(name);
            }
            Shape::Index { platforms, shared, missing, nested } => {
                let own = (0..*platforms)
                    .flat_map(|it| [format!("{name}-p{it}"), format!("{name}-a{it}")]);
                let mut named: Vec<String> = own.collect();
                parts.extend(named.clone());
                let older = &parts[..parts.len() - named.len()];
                named.extend(shared.filter(|_| !older.is_empty()).map(|it| it.get(older).clone()));
                if *missing {
                    named.push(format!("?{name}-missing"));
                }
                if *nested {
                    let inner = format!("{name}-inner");
                    world.index(&inner, &format!("{inner}-p"));
                    named.push(inner);
                }
                world.index(name, &named.join(" "));
                for it in 0..*platforms {
                    let subject = digest(&format!("{name}-p{it}"));
                    world.image(&format!("{name}-a{it}")).subject = Some(subject);
                }
            }
            Shape::Unreadable { parts } => {
                let named: Vec<String> = (0..*parts).map(|it| format!("{name}-h{it}")).collect();
                for it in &named {
                    world.single(it);
                }
                world.unreadable(name);
                hidden.insert(digest(name), named.iter().map(|it| digest(it)).collect());
            }
            Shape::Unknown => {
                world.unknown(name, "application/x");
            }
            Shape::Chart => {
                world.artifact(name);
            }
            Shape::Signature { of, way } => self.signature(number, name, of, *way),
            Shape::Mutual => {
                let other = format!("{name}-other");
                world.cosign(name, &other);
                world.cosign(&other, name);
            }
        }
    }

    fn signature(&mut self, number: usize, name: &str, of: &[Index], way: Way) {
        let world = &mut self.drawn.world;
        let names = of.iter().filter(|_| !world.images.is_empty());
        let digests = names.map(|it| it.get(&world.images).digest.clone());
        let subjects: Vec<String> = digests.map(|it| world.name(&it).to_owned()).collect();
        match (way, subjects.first()) {
            (Way::Subject, Some(subject)) => {
                world.signature(name, subject);
            }
            (Way::Tags, Some(_)) => {
                world.single(name);
                for subject in &subjects {
                    self.give(name, &tag_about(subject, ".sig"));
                }
            }
            (Way::Gone | Way::Subject | Way::Tags, _) => {
                world.cosign(name, &format!("gone-{number}"));
            }
        }
    }

    fn tag(&mut self, number: usize, name: &str, tagging: Tagging) {
        let version = format!("v{number}");
        let tags = match tagging {
            Tagging::Nothing => vec![],
            Tagging::Version => vec![version],
            Tagging::Release => vec![version, "latest".to_owned()],
            Tagging::Staging => vec!["staging".to_owned()],
            Tagging::Feature(feature) => vec![format!("feature-{feature}")],
            Tagging::Many(count) => (0..count).map(|it| format!("{version}.{it}")).collect(),
        };
        let platform = format!("{name}-p0");
        let digest = digest(&platform);
        let has_platforms = self.drawn.world.images.iter().any(|it| it.digest == digest);
        for tag in tags {
            self.give(name, &tag);
            // As one pushes for several platforms without buildx: a tag for each of them.
            if has_platforms && number.is_multiple_of(2) {
                self.give(&platform, &format!("{tag}-amd64"));
            }
        }
    }

    /// A tag is at one image: whatever bore it loses it.
    fn give(&mut self, name: &str, tag: &str) {
        let images = &mut self.drawn.world.images;
        for image in images.iter_mut() {
            image.tags.retain(|it| **it != *tag);
        }
        self.drawn.world.image(name).tags.push(tag.into());
    }
}
