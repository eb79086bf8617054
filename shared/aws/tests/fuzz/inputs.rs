//! What is tried: texts, JSON values, and spoiled messages that would be understood.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use crate::tree::{Member, Tree};

#[derive(Clone, Debug)]
pub(crate) struct Input {
    pub(crate) kind: &'static str,
    pub(crate) text: String,
}

pub(crate) fn input() -> impl Strategy<Value = Input> {
    let of = |kind: &'static str| move |text| Input { kind, text };
    prop_oneof![
        1 => text().prop_map(of("texts")),
        1 => value(3).prop_map(|tree| written(&tree)).prop_map(of("values")),
        18 => spoiled().prop_map(of("messages")),
    ]
}

/// The messages that AWS publishes and our own, each as it would be understood.
static MESSAGES: LazyLock<Vec<Tree>> = LazyLock::new(|| {
    let package = std::env::var("CARGO_MANIFEST_DIR").unwrap();
    let folder = format!("{package}/tests/fixtures/events");
    let files = std::fs::read_dir(folder).unwrap().map(|it| it.unwrap().path());
    let read = |path| serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let published: Vec<Value> = files.collect::<BTreeSet<_>>().into_iter().map(read).collect();
    published.iter().chain(&others()).map(Tree::from).collect()
});

/// What is published of no event, or says something that is nothing to us.
fn others() -> Vec<Value> {
    let run = json!({
        "service": "acme/boletos", "run": "r", "stop": "done", "kept": 9, "deleted": 1, "bytes": 7,
    });
    let ended = json!({ "service": "a1", "environment": "production", "rollout": "01A" });
    let ours = json!({
        "document-name": "Esclusa-Activate", "status": "Success",
        "parameters": { "Service": ["acme/boletos"], "Environment": ["production"] },
    });
    vec![
        event("aws.ssm", "SSM Managed Instance Registration", &json!({})),
        event("aws.ssm", "EC2 Command Status-change Notification", &ours),
        event("aws.ec2", "EC2 Instance State-change Notification", &json!({ "state": "stopping" })),
        event("esclusa", "Rollout Ended", &ended),
        event("esclusa", "Lanes Swept", &json!({ "id": "sweep#1790000000000", "lanes": 3 })),
        event("esclusa", "Retention Ran", &run),
        event("esclusa", "Retention Stopped", &run),
        json!({ "esclusa": "sweep" }),
        json!({ "esclusa": "wake", "lane": "a1#production", "sequence": 7 }),
        json!({ "esclusa": "wake", "lane": "a1#production", "secrets": true }),
        json!({ "esclusa": "retain-all" }),
        json!({ "esclusa": "retain", "service": "acme/boletos" }),
        json!({ "esclusa": "retain", "service": "a1", "due": 1_790_000_000_000_u64 }),
        json!({
            "esclusa": "retain", "service": "a1",
            "run": "r-1", "mode": "apply", "deleted": 3, "bytes": 9,
        }),
    ]
}

fn event(source: &str, kind: &str, detail: &Value) -> Value {
    json!({ "source": source, "detail-type": kind, "detail": detail })
}

/// The names of all members.
static NAMES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let strange = ["", "0", "Source", "detail_type", "detailType", " detail", "\u{0}", "naïve"];
    let mut names: BTreeSet<String> = strange.into_iter().map(str::to_owned).collect();
    let mut note_name = |(name, _): &Member| names.extend([name.clone()]);
    MESSAGES.iter().for_each(|it| note(it, &mut note_name));
    names.into_iter().collect()
});

/// What stands in the place of a value, as JSON.
static LEAVES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let numbers = [
        "null",
        "true",
        "false",
        "0",
        "-0",
        "-1",
        "7",
        "0.5",
        "-2.5e-3",
        "1e308",
        "1e999",
        "9007199254740993",
        "9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "-9223372036854775809",
    ];
    let texts = [
        "",
        " ",
        "7",
        "null",
        "a1",
        "acme/boletos",
        "a1#production",
        "#",
        "a1#",
        "Not A Name",
        "arn:aws:ecr:eu-south-1:123456789012:repository/acme/boletos",
        "arn:aws-us-gov:ecr:us-gov-west-1:123456789012:repository/a1",
        "arn:aws-cn:ecr:cn-north-1:123456789012:repository/acme/boletos",
        ":repository/a1:repository/a2",
        ":repository/",
        "arn:aws:cloudwatch:eu-south-1:1:alarm:x",
        "../../etc/passwd",
        "a\u{0}b",
        "ünïcödé",
        "日本",
        "🚢",
        "\u{202e}latest",
        "\u{feff}a1",
        "\r\n",
        "Esclusa-",
        "Esclusa-Measure",
        "esclusa-Activate",
        "push",
        "PUSH ",
        "DELETE",
        "FAILED",
        "OK",
        "shutting-down",
        "AWSPREVIOUS",
        "ECR Referrer Action",
        "aws.s3",
        "by-itself",
        "plan",
        "force",
        "time",
        "cap",
    ];
    let mut leaves: BTreeSet<String> = numbers.into_iter().map(str::to_owned).collect();
    let huge = ["x".repeat(300), "x".repeat(20_000), "日".repeat(256)];
    let texts = texts.into_iter().map(str::to_owned).chain(huge);
    leaves.extend(texts.map(|it| Value::from(it).to_string()));
    let mut note_leaf = |(_, tree): &Member| {
        if let Tree::Leaf(text) = tree {
            leaves.insert(text.clone());
        }
    };
    MESSAGES.iter().for_each(|it| note(it, &mut note_leaf));
    leaves.into_iter().collect()
});

fn note(tree: &Tree, what: &mut impl FnMut(&Member)) {
    for member in tree.members() {
        what(member);
        note(&member.1, what);
    }
}

fn written(tree: &Tree) -> String {
    let mut text = String::new();
    tree.write(&mut text);
    text
}

fn text() -> BoxedStrategy<String> {
    let bytes = prop::collection::vec(any::<u8>(), 0..64);
    let signs = prop::collection::vec(select(br#"{}[]",:\0e-.tn "#.as_slice()), 0..32);
    let lossy = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let deep = (0..300_usize).prop_map(|depth| "[".repeat(depth) + &"]".repeat(depth));
    prop_oneof![
        4 => any::<String>(), 4 => bytes.prop_map(lossy), 4 => signs.prop_map(lossy), 1 => deep
    ]
    .boxed()
}

fn leaf() -> BoxedStrategy<Tree> {
    prop_oneof![
        8 => select(LEAVES.as_slice()).prop_map(Tree::Leaf),
        1 => any::<String>().prop_map(|text| Tree::of_text(&text)),
        1 => any::<i64>().prop_map(|number| Tree::Leaf(number.to_string())),
    ]
    .boxed()
}

fn value(depth: usize) -> BoxedStrategy<Tree> {
    if depth == 0 {
        return leaf();
    }
    let name = prop_oneof![8 => select(NAMES.as_slice()), 1 => any::<String>()];
    let members = prop::collection::vec((name, value(depth - 1)), 0..5);
    let elements = prop::collection::vec((Just(String::new()), value(depth - 1)), 0..4);
    prop_oneof![
        1 => leaf(), 2 => elements.prop_map(Tree::Array), 4 => members.prop_map(Tree::Object)
    ]
    .boxed()
}

/// A way in which a message is spoiled.
#[derive(Clone, Copy, Debug)]
enum Way {
    Remove,
    Replace,
    Rename,
    /// The copy comes after it, and counts.
    Repeat,
    /// The copy comes after it and is another.
    Doubt,
    /// A value becomes an array of it, or an object.
    Retype,
    /// Takes over a member of another message.
    Borrow,
    /// The whole message is in another, as SQS and SNS do it.
    Wrap,
    /// The values of an object, without their names.
    List,
}

const WAYS: &[Way] = &[
    Way::Remove,
    Way::Replace,
    Way::Rename,
    Way::Repeat,
    Way::Doubt,
    Way::Retype,
    Way::Borrow,
    Way::Replace,
    Way::Borrow,
];

/// Some ways would leave little to understand if they were as frequent as the others.
fn way() -> impl Strategy<Value = Way> {
    prop_oneof![
        30 => select(WAYS),
        1 => Just(Way::Wrap),
        1 => Just(Way::List),
    ]
}

/// What is spoiled and with what, as numbers of which the rest counts.
type Change = (Way, u16, u16);

fn spoiled() -> impl Strategy<Value = String> {
    let changes = prop::collection::vec((way(), any::<u16>(), any::<u16>()), 0..6);
    let cut = prop_oneof![20 => Just(None), 1 => any::<(u16, u16)>().prop_map(Some)];
    (any::<u16>(), changes, cut).prop_map(|(message, changes, cut)| {
        let mut tree = pick(&MESSAGES, message).clone();
        for change in changes {
            spoil(&mut tree, change);
        }
        let text = written(&tree);
        match cut {
            Some((from, to)) => without(&text, from.into(), to.into()),
            None => text,
        }
    })
}

fn pick<T>(of: &[T], number: u16) -> &T {
    &of[usize::from(number) % of.len()]
}

/// A text without some of it.
fn without(text: &str, from: usize, to: usize) -> String {
    let place = |number: usize| text.floor_char_boundary(number % (text.len() + 1));
    let (from, to) = (place(from), place(to));
    format!("{}{}", &text[..from], &text[to.max(from)..])
}

fn spoil(tree: &mut Tree, (way, at, with): Change) {
    let leaf = || Tree::Leaf(pick(&LEAVES, with).clone());
    match way {
        Way::Wrap => *tree = wrapped(tree, with),
        Way::List => *tree = listed(tree),
        Way::Remove => change(tree, at, |of, place| drop(of.remove(place))),
        Way::Replace => change(tree, at, |of, place| of[place].1 = leaf()),
        Way::Rename => change(tree, at, |of, place| of[place].0.clone_from(pick(&NAMES, with))),
        Way::Repeat => change(tree, at, |of, place| of.push(of[place].clone())),
        Way::Doubt => change(tree, at, |of, place| of.push((of[place].0.clone(), leaf()))),
        Way::Retype => change(tree, at, |of, place| {
            let was = std::mem::replace(&mut of[place].1, Tree::Array(Vec::new()));
            of[place].1 = match with % 3 {
                0 => Tree::Array(vec![(String::new(), was)]),
                1 => Tree::Object(vec![(pick(&NAMES, with).clone(), was)]),
                _ => Tree::of_text(&written(&was)),
            };
        }),
        Way::Borrow => {
            let mut other = pick(&MESSAGES, with).clone();
            let mut borrowed = Vec::new();
            change(&mut other, at, |of, place| borrowed.push(of.swap_remove(place)));
            if let Tree::Object(of) = tree {
                of.extend(borrowed);
            }
        }
    }
}

fn change(tree: &mut Tree, at: u16, to: impl FnOnce(&mut Vec<Member>, usize)) {
    let count = tree.count();
    if count > 0 {
        tree.change(usize::from(at) % count, to);
    }
}

fn wrapped(tree: &Tree, with: u16) -> Tree {
    let text = Tree::of_text(&written(tree));
    let member = |name: &str, tree: Tree| Tree::Object(vec![(name.to_owned(), tree)]);
    let array = |tree: Tree| Tree::Array(vec![(String::new(), tree)]);
    match with % 5 {
        0 => member("Records", array(member("body", text))),
        1 => member("Message", text),
        2 => member("detail", tree.clone()),
        3 => array(tree.clone()),
        _ => text,
    }
}

/// The members of an event in the order in which they are read, without their names.
fn listed(tree: &Tree) -> Tree {
    let of = |name: &str| tree.members().iter().find(|it| it.0 == name).cloned();
    Tree::Array(["source", "detail-type", "detail"].into_iter().filter_map(of).collect())
}
