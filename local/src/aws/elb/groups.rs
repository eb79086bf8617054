//! The operations on target groups.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::model::{HealthCheck, TargetGroup};
use super::settings::{ATTRIBUTES, apply, check_attribute};
use super::{Elb, answers, invalid};
use crate::aws::error::{ApiError, ApiResult};
use crate::aws::guard;
use crate::aws::query::Params;
use crate::aws::xml::Xml;

impl Elb {
    pub(super) fn create_group(&self, params: &Params) -> ApiResult<Vec<Xml>> {
        let name = checked_name(params.required("Name")?)?;
        let mut check = HealthCheck::default();
        apply(&mut check, params)?;
        let target_type = params.text("TargetType").unwrap_or("instance");
        if !["instance", "ip"].contains(&target_type) {
            return Err(invalid(format!("target type `{target_type}` is not supported here")));
        }
        let port = params.number("Port")?;
        let group = TargetGroup {
            arn: self.arn(&format!("targetgroup/{name}/{}", short_id())),
            name: name.clone(),
            protocol: params.text("Protocol").unwrap_or("HTTP").to_owned(),
            port: port.ok_or_else(|| invalid("A port must be specified"))?,
            target_type: target_type.to_owned(),
            vpc: params.text("VpcId").map(str::to_owned),
            check,
            attributes: ATTRIBUTES.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
            tags: tags(params),
            targets: BTreeMap::new(),
        };
        let mut model = guard(&self.model);
        if model.groups.values().any(|it| it.name == name) {
            let message = format!("A target group with the same name '{name}' exists");
            return Err(ApiError::client("DuplicateTargetGroupName", message));
        }
        let answer = Xml::list("TargetGroups", [answers::group(&model, &group)]);
        model.groups.insert(group.arn.clone(), group);
        self.saved(&model);
        Ok(vec![answer])
    }

    pub(super) fn describe_groups(&self, params: &Params) -> ApiResult<Vec<Xml>> {
        let model = guard(&self.model);
        let (arns, names) = (params.list("TargetGroupArns"), params.list("Names"));
        for arn in &arns {
            model.group(arn)?;
        }
        for name in &names {
            if !model.groups.values().any(|it| it.name == *name) {
                let message = format!("Target groups '{name}' not found");
                return Err(ApiError::client("TargetGroupNotFound", message));
            }
        }
        let of = params.text("LoadBalancerArn");
        let wanted = model.groups.values().filter(|it| {
            (arns.is_empty() || arns.contains(&it.arn))
                && (names.is_empty() || names.contains(&it.name))
                && of.is_none_or(|arn| model.balancers_of(&it.arn).contains(&arn))
        });
        Ok(vec![Xml::list("TargetGroups", wanted.map(|it| answers::group(&model, it)))])
    }

    /// New checks need a new HAProxy; the old one finishes the requests that it has.
    pub(super) async fn modify_group(&self, params: &Params) -> ApiResult<Vec<Xml>> {
        let arn = params.required("TargetGroupArn")?;
        let (answer, listeners) = {
            let mut model = guard(&self.model);
            let group = model.group_mut(arn)?;
            let mut check = group.check.clone();
            apply(&mut check, params)?;
            group.check = check;
            self.saved(&model);
            let listeners = model.listeners.values().filter(|it| it.group == arn);
            let listeners: Vec<String> = listeners.map(|it| it.arn.clone()).collect();
            let group = answers::group(&model, model.group(arn)?);
            (vec![Xml::list("TargetGroups", [group])], listeners)
        };
        for listener in listeners {
            self.bring_up(&listener).await?;
        }
        Ok(answer)
    }

    pub(super) fn delete_group(&self, params: &Params) -> ApiResult<Vec<Xml>> {
        let arn = params.required("TargetGroupArn")?;
        let mut model = guard(&self.model);
        if model.is_used(arn) {
            let message = format!("Target group '{arn}' is currently in use by a listener");
            return Err(ApiError::client("ResourceInUse", message));
        }
        // Deleting what is not there succeeds.
        model.groups.remove(arn);
        self.saved(&model);
        Ok(Vec::new())
    }

    pub(super) fn describe_attributes(&self, params: &Params) -> ApiResult<Vec<Xml>> {
        let model = guard(&self.model);
        Ok(attributes(model.group(params.required("TargetGroupArn")?)?))
    }

    pub(super) fn modify_attributes(&self, params: &Params) -> ApiResult<Vec<Xml>> {
        let mut model = guard(&self.model);
        let group = model.group_mut(params.required("TargetGroupArn")?)?;
        let mut changed = group.attributes.clone();
        for attribute in params.structures("Attributes") {
            let (key, value) = (attribute.required("Key")?, attribute.text("Value").unwrap_or(""));
            check_attribute(key, value)?;
            changed.insert(key.to_owned(), value.to_owned());
        }
        group.attributes = changed;
        let answer = attributes(group);
        self.saved(&model);
        Ok(answer)
    }
}

fn attributes(group: &TargetGroup) -> Vec<Xml> {
    let one =
        |(key, value): (&String, &String)| vec![Xml::text("Key", key), Xml::text("Value", value)];
    vec![Xml::list("Attributes", group.attributes.iter().map(one))]
}

/// The tags that a request gives.
pub(super) fn tags(params: &Params) -> BTreeMap<String, String> {
    let tags = params.structures("Tags").into_iter();
    let pair = |it: Params| {
        Some((it.text("Key")?.to_owned(), it.text("Value").unwrap_or_default().to_owned()))
    };
    tags.filter_map(pair).collect()
}

/// The sixteen hexadecimal digits at the end of ARNs.
pub(super) fn short_id() -> String {
    Uuid::new_v4().simple().to_string().chars().take(16).collect()
}

/// A name as load balancers and groups have it.
pub(super) fn checked_name(name: &str) -> ApiResult<String> {
    let allowed = |it: char| it.is_ascii_alphanumeric() || it == '-';
    let edges = name.starts_with('-') || name.ends_with('-');
    if (1..=32).contains(&name.len()) && name.chars().all(allowed) && !edges {
        return Ok(name.to_owned());
    }
    Err(invalid(format!("`{name}` must be 1 to 32 letters, digits and inner hyphens")))
}
