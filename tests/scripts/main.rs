//! Scripts in operators' words, played over the simulation: real core, real shell, no faults but
//! those that a script names.
//!
//! `ESCLUSA_RECORD=1 cargo test -p esclusa-tests --test scripts` writes the output lines anew; read
//! what changed before it is committed. `SCRIPT=name` plays only that one, and `TOLD=1` tells all
//! that happened in the simulated world.

mod command;
mod name;
mod play;
mod setting;
mod show;
mod transcript;

use std::path::PathBuf;

use esclusa_local::places::tested_checkout;
use transcript::Transcript;

fn folder() -> PathBuf {
    tested_checkout().join("tests/scripts")
}

/// Every script, by its file's name.
fn scripts() -> Vec<PathBuf> {
    let only = std::env::var("SCRIPT").ok();
    let wanted = |path: &PathBuf| {
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        let is_script = path.extension().is_some_and(|it| it == "txt");
        is_script && only.as_ref().is_none_or(|it| *it == stem)
    };
    let files = std::fs::read_dir(folder()).unwrap();
    let mut scripts: Vec<PathBuf> = files.map(|it| it.unwrap().path()).filter(wanted).collect();
    scripts.sort();
    scripts
}

#[test]
fn every_script_plays_as_it_was_recorded() {
    let records = std::env::var("ESCLUSA_RECORD").is_ok_and(|it| it == "1");
    let scripts = scripts();
    assert!(!scripts.is_empty(), "there is no such script");
    let mut wrong = Vec::new();
    for path in scripts {
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let recorded = Transcript::read(&file, &text);
        let played = recorded.and_then(|it| play::play(&it).map(|seen| (it, seen)));
        match played {
            Ok((recorded, seen)) if records => {
                std::fs::write(&path, recorded.with(&seen)).unwrap();
            }
            Ok((recorded, seen)) => wrong.extend(recorded.differences(&seen)),
            Err(problem) => wrong.push(problem),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_script_that_cannot_be_played_says_where_and_why() {
    for (text, expected) in [
        ("", "a.txt:1: a script begins with a comment that says what it shows"),
        ("# X.\nfleet 2 hosts\ndance\n", "a.txt:3: there is no command `dance`"),
        ("# X.\n> nothing\n", "a.txt:2: an output line follows the command that made it"),
        ("# X.\nfleet 2 hosts, purple\n", "a.txt:2: there is no setting `purple`"),
        ("# X.\npush v1.0.0 sadly\n", "a.txt:2: no image behaves `sadly`"),
        ("# X.\nadvance until lunch\n", "a.txt:2: nothing is awaited as `lunch`"),
        ("# X.\nfleet 1 host\nkill host-7\n", "a.txt:3: there is no host-7"),
        (
            "# X.\nfleet 1 host\nadvance until ended\n",
            "a.txt:3: 3 hours went by, and it did not come to that",
        ),
    ] {
        let played = Transcript::read("a.txt", text).and_then(|it| play::play(&it));
        assert_eq!(played.map_err(|problem| problem.clone()), Err(expected.to_owned()), "{text:?}");
    }
}

#[test]
fn a_difference_names_its_line_and_both_texts() {
    let text = "# X.\nfleet 1 host\nshow hosts\n> host-1 flies\n";
    let recorded = Transcript::read("a.txt", text).unwrap();
    let seen = play::play(&recorded).unwrap();
    let expected = "a.txt:4: after `show hosts`\n  expected: host-1 flies\n      seen: host-1 runs \
                    nothing, out of service";
    assert_eq!(recorded.differences(&seen), [expected]);
    assert_eq!(
        recorded.with(&seen),
        "# X.\nfleet 1 host\nshow hosts\n> host-1 runs nothing, out of service\n"
    );
}
