//! ECR's lifecycle policies, in the format that AWS documents.

use esclusa_core::configuration::Pattern;
use esclusa_core::retention::{Action, Count, Rule, Tagging};
use esclusa_shell::ports::BoxError;
use serde::Deserialize;
use serde_json::Value;

/// A policy.
#[derive(Deserialize)]
struct Policy {
    rules: Vec<Value>,
}

/// A rule of it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    rule_priority: u64,
    #[serde(default)]
    description: String,
    selection: Selection,
    action: Does,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Selection {
    tag_status: TagStatus,
    #[serde(default)]
    tag_prefix_list: Vec<String>,
    #[serde(default)]
    tag_pattern_list: Vec<String>,
    count_type: CountType,
    count_number: usize,
    #[serde(default)]
    storage_class: StorageClass,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum TagStatus {
    Tagged,
    Untagged,
    Any,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum CountType {
    ImageCountMoreThan,
    SinceImagePushed,
    SinceImagePulled,
    SinceImageTransitioned,
}

#[derive(Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum StorageClass {
    #[default]
    Standard,
    Archive,
}

#[derive(Deserialize)]
struct Does {
    #[serde(rename = "type")]
    kind: ActionType,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum ActionType {
    Expire,
    Transition,
}

/// The rules of a policy that act on images which can be pulled.
///
/// A rule that is not understood is taken for one that could delete every image: that is shown to a
/// person, and stops nothing.
///
/// # Errors
///
/// A text that is no policy at all.
pub(crate) fn rules(text: &str) -> Result<Vec<Rule>, BoxError> {
    let policy: Policy = serde_json::from_str(text)?;
    Ok(policy.rules.iter().filter_map(rule).collect())
}

/// One rule; nothing for those that act on the archive only.
fn rule(value: &Value) -> Option<Rule> {
    let rule = Written::deserialize(value).map_err(BoxError::from);
    let rule = rule.and_then(|it| Ok((tagging(&it.selection)?, it)));
    match rule {
        Ok((_, it)) if it.selection.storage_class == StorageClass::Archive => None,
        Ok((tagging, it)) => Some(Rule {
            priority: it.rule_priority,
            description: it.description,
            tagging,
            count: match it.selection.count_type {
                CountType::ImageCountMoreThan => Count::MoreThan(it.selection.count_number),
                CountType::SinceImagePushed
                | CountType::SinceImagePulled
                | CountType::SinceImageTransitioned => Count::Older,
            },
            action: match it.action.kind {
                ActionType::Expire => Action::Expire,
                ActionType::Transition => Action::Archive,
            },
        }),
        Err(error) => {
            tracing::warn!(rule = %value, %error, "a rule of a lifecycle policy is not understood");
            Some(Rule {
                priority: value.get("rulePriority").and_then(Value::as_u64).unwrap_or(0),
                description: value.get("description").and_then(Value::as_str).unwrap_or("").into(),
                tagging: Tagging::Any,
                count: Count::Older,
                action: Action::Expire,
            })
        }
    }
}

fn tagging(selection: &Selection) -> Result<Tagging, BoxError> {
    let (prefixes, patterns) = (&selection.tag_prefix_list, &selection.tag_pattern_list);
    match (&selection.tag_status, prefixes.is_empty(), patterns.is_empty()) {
        (TagStatus::Untagged, true, true) => Ok(Tagging::Untagged),
        (TagStatus::Any, true, true) => Ok(Tagging::Any),
        (TagStatus::Tagged, false, true) => Ok(Tagging::Prefixes(prefixes.clone())),
        (TagStatus::Tagged, true, false) => {
            let patterns = patterns.iter().map(|it| it.parse::<Pattern>());
            Ok(Tagging::Patterns(patterns.collect::<Result<_, _>>()?))
        }
        (TagStatus::Tagged, ..) => Err("it has not one list of prefixes or of patterns".into()),
        (TagStatus::Untagged | TagStatus::Any, ..) => Err("it lists tags, and wants none".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn said(rule: &Rule) -> String {
        let Rule { priority, description, tagging, count, action } = rule;
        let tagging = match tagging {
            Tagging::Untagged => "untagged".to_owned(),
            Tagging::Any => "any".to_owned(),
            Tagging::Prefixes(all) => format!("prefixes {}", all.join(" ")),
            Tagging::Patterns(all) => {
                let all: Vec<String> = all.iter().map(ToString::to_string).collect();
                format!("patterns {}", all.join(" "))
            }
        };
        format!("{priority} {description:?}: {tagging}, {count:?}, {action:?}")
    }

    fn of(rule: &Value) -> Vec<String> {
        let text = json!({ "rules": [rule] }).to_string();
        rules(&text).unwrap().iter().map(said).collect()
    }

    fn with(selection: Value, action: &Value) -> Value {
        let mut rule = json!({ "rulePriority": 7, "description": "mine", "action": action });
        rule["selection"] = selection;
        rule
    }

    #[test]
    fn a_rule_is_what_aws_documents() {
        let (expire, archive) = (
            json!({ "type": "expire" }),
            json!({ "type": "transition", "targetStorageClass": "archive" }),
        );
        let old = |status: &str| {
            let days = json!({ "countType": "sinceImagePushed", "countUnit": "days" });
            let mut selection = days;
            (selection["countNumber"], selection["tagStatus"]) = (json!(14), json!(status));
            selection
        };
        let many = |list: &str, tags: &[&str]| {
            let mut selection = json!({ "tagStatus": "tagged", "countType": "imageCountMoreThan" });
            (selection["countNumber"], selection[list]) = (json!(30), json!(tags));
            selection
        };
        let pulled =
            json!({ "tagStatus": "any", "countType": "sinceImagePulled", "countNumber": 9 });
        for (selection, action, expected) in [
            (old("untagged"), &expire, "untagged, Older, Expire"),
            (old("any"), &expire, "any, Older, Expire"),
            (pulled, &archive, "any, Older, Archive"),
            (many("tagPrefixList", &["v", "a"]), &expire, "prefixes v a, MoreThan(30), Expire"),
            (many("tagPatternList", &["v*.0"]), &expire, "patterns v*.0, MoreThan(30), Expire"),
        ] {
            let seen = of(&with(selection, action));
            assert_eq!(seen, [format!("7 \"mine\": {expected}")]);
        }
        let mut archived = old("any");
        archived["storageClass"] = json!("archive");
        assert_eq!(of(&with(archived, &expire)), [""; 0], "it acts on the archive only");
    }

    #[test]
    fn a_rule_that_is_not_understood_could_delete_everything() {
        let good =
            || json!({ "tagStatus": "any", "countType": "sinceImagePushed", "countNumber": 1 });
        let expire = || json!({ "type": "expire" });
        let changed = |member: &str, to: Value| {
            let mut selection = good();
            selection[member] = to;
            with(selection, &expire())
        };
        for rule in [
            changed("tagStatus", json!("tagged")),
            changed("tagStatus", json!("some")),
            changed("tagPrefixList", json!(["v"])),
            changed("countType", json!("sinceImageScanned")),
            changed("countNumber", json!("many")),
            changed("storageClass", json!("deep")),
            with(good(), &json!({ "type": "hide" })),
            with(json!({}), &expire()),
            with(
                json!({
                    "tagStatus": "tagged", "tagPatternList": ["v[0-9]"],
                    "countType": "sinceImagePushed", "countNumber": 1,
                }),
                &expire(),
            ),
        ] {
            assert_eq!(of(&rule), ["7 \"mine\": any, Older, Expire"], "{rule}");
        }
        assert_eq!(of(&json!(1)), ["0 \"\": any, Older, Expire"]);
    }

    #[test]
    fn what_is_no_policy_is_an_error() {
        for text in ["", "{}", "[]", "{\"rules\":1}"] {
            assert!(rules(text).is_err(), "{text:?}");
        }
        assert_eq!(rules("{\"rules\":[]}").unwrap(), []);
    }
}
