//! The pipeline that a service's repository uses: what decides in it, as rows that Node.js runs.

use std::process::Command;

use esclusa_local::places::tested_checkout;

/// Fewer would mean that a file of rows is not found any more.
const LEAST: usize = 80;

#[test]
fn branches_versions_and_tags_are_as_their_rows_say() {
    let action = tested_checkout().join(".github/actions/plan");
    let mut node = Command::new("node");
    node.args(["--test", "--test-reporter=tap", "tests/plan.test.js", "tests/version.test.js"]);
    let output = node.current_dir(action).output().expect("`node` runs: scripts/setup check");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let passed = said.lines().find_map(|line| line.strip_prefix("# pass ")?.parse::<usize>().ok());
    assert!(passed >= Some(LEAST), "{passed:?} rows passed");
}
