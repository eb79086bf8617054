//! What `docs/standard.md` names is there, and its Spanish version names the same.

use std::fs;

use esclusa_local::places::tested_checkout;

/// The pairs of a file and a test in it, in their order.
fn named(document: &str) -> Vec<(String, String)> {
    let document = fs::read_to_string(tested_checkout().join(document)).unwrap();
    let lines = document.lines().filter(|line| line.starts_with("| "));
    let pairs = lines.filter_map(|line| {
        let mut quoted = line.rsplit('`').skip(1).step_by(2);
        let (name, file) = (quoted.next()?, quoted.next()?);
        file.contains("tests/").then(|| (file.to_owned(), name.to_owned()))
    });
    pairs.collect()
}

#[test]
fn each_line_of_the_standard_names_a_test_that_is_there() {
    let pairs = named("docs/standard.md");
    assert!(pairs.len() >= 25, "only {} lines name a test", pairs.len());
    for (file, test) in &pairs {
        let text = fs::read_to_string(tested_checkout().join(file)).unwrap_or_default();
        assert!(text.contains(&format!("fn {test}(")), "{file} has no test {test}");
    }
    assert_eq!(named("docs/es/estandar.md"), pairs);
}
