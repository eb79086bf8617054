//! Which versions are fetched, and which requests exclude each other.

use std::collections::{BTreeMap, BTreeSet};

use crate::fault::{Fault, Place};
use crate::request::{Request, Target, Version};

/// Each version once, however many requests name it.
pub(crate) fn list_versions(requests: &[Request]) -> BTreeSet<Version> {
    requests.iter().map(|request| request.version.clone()).collect()
}

/// Whether any request makes a file.
pub(crate) fn makes_files(requests: &[Request]) -> bool {
    requests.iter().any(|request| matches!(request.target, Target::File { .. }))
}

/// Requests for a file or variable that another request makes, or that the environment has.
pub(crate) fn find_conflicts(requests: &[Request], others: &[String]) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut files: BTreeMap<&str, &Place> = BTreeMap::new();
    let mut variables: BTreeMap<&str, &Place> = BTreeMap::new();
    for Request { place, target, .. } in requests {
        let variable = match target {
            Target::Variable(variable) => Some(variable),
            Target::File { name, variable } => {
                if let Some(other) = files.insert(name.as_str(), place) {
                    let name = name.as_str();
                    let text = format!("{other} makes the file `{name}`, too; rename one of them");
                    faults.push(Fault::configuration(place, text));
                }
                variable.as_ref()
            }
        };
        let Some(variable) = variable else { continue };
        if let Some(other) = variables.insert(variable, place) {
            let text = format!("{other} sets the variable `{variable}`, too; remove one of them");
            faults.push(Fault::configuration(place, text));
        }
        if others.contains(variable) {
            let text = format!(
                "it sets the variable `{variable}`, which the environment has already; remove one \
                 of them"
            );
            faults.push(Fault::configuration(place, text));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference;

    fn requests(variables: &[(&str, &str)]) -> Vec<Request> {
        let read = |(name, value): &(&str, &str)| {
            reference::read(name, &format!("secretsmanager:{value}")).unwrap().unwrap()
        };
        variables.iter().map(read).collect()
    }

    #[test]
    fn requests_must_not_exclude_each_other() {
        let others = ["HOME".to_owned(), "D_FILE".to_owned()];
        for (variables, expected) in [
            (vec![("A", "a"), ("B", "a?as=env"), ("C", "c")], vec![]),
            (
                vec![("A", "a?file=x"), ("B", "b?file=x")],
                vec!["variable `B`: variable `A` makes the file `x`, too; rename one of them"],
            ),
            (
                vec![("A", "a?file=x"), ("A_FILE", "b?file=y")],
                vec![
                    "variable `A_FILE`: variable `A` sets the variable `A_FILE`, too; remove one \
                 of them",
                ],
            ),
            (
                vec![("D", "a")],
                vec![
                    "variable `D`: it sets the variable `D_FILE`, which the environment has \
                 already; remove one of them",
                ],
            ),
        ] {
            let faults = find_conflicts(&requests(&variables), &others);
            let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
            assert_eq!(lines, expected, "{variables:?}");
        }
    }

    #[test]
    fn a_version_is_fetched_once() {
        let requests = requests(&[("A", "a"), ("B", "a#k"), ("C", "a?stage=X"), ("D", "a?as=env")]);
        let shown: Vec<String> = list_versions(&requests).iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["a", "a, stage X"]);
    }
}
