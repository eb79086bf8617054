//! `DescribeInstanceInformation`.

use serde::Deserialize;
use serde_json::{Value, json};

use super::Ssm;
use crate::aws::error::{ApiError, ApiResult};
use crate::aws::fleet::{Machine, Power};
use crate::aws::json::{page, set};

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Describe {
    max_results: Option<usize>,
    next_token: Option<String>,
    #[serde(default)]
    filters: Vec<Filter>,
    #[serde(default)]
    instance_information_filter_list: Vec<OldFilter>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Filter {
    key: String,
    #[serde(default)]
    values: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OldFilter {
    key: String,
    #[serde(rename = "valueSet", default)]
    values: Vec<String>,
}

impl Describe {
    fn into_filters(self) -> ApiResult<Vec<Filter>> {
        if !self.filters.is_empty() && !self.instance_information_filter_list.is_empty() {
            return Err(ApiError::validation("use Filters or InstanceInformationFilterList"));
        }
        let old = self.instance_information_filter_list.into_iter();
        let old = old.map(|it| Filter { key: it.key, values: it.values });
        let filters: Vec<Filter> = self.filters.into_iter().chain(old).collect();
        let by_tag = filters.iter().filter(|it| it.is_tag()).count();
        if by_tag > 0 && by_tag < filters.len() {
            let message = "Tag filters cannot be combined with other filters";
            return Err(ApiError::client("InvalidInstanceInformationFilterValue", message));
        }
        filters.iter().try_for_each(Filter::check)?;
        Ok(filters)
    }
}

impl Filter {
    fn is_tag(&self) -> bool {
        self.key.starts_with("tag:") || self.key == "tag-key"
    }

    fn check(&self) -> ApiResult<()> {
        const KEYS: [&str; 8] = [
            "InstanceIds",
            "AgentVersion",
            "PingStatus",
            "PlatformTypes",
            "ActivationIds",
            "IamRole",
            "ResourceType",
            "AssociationStatus",
        ];
        if !self.is_tag() && !KEYS.contains(&self.key.as_str()) {
            return Err(ApiError::client("InvalidFilterKey", format!("`{}`", self.key)));
        }
        if self.values.is_empty() {
            return Err(ApiError::validation(format!("filter `{}` has no value", self.key)));
        }
        Ok(())
    }

    fn selects(&self, machine: &Machine, ping: &str) -> bool {
        let is = |value: &str| self.values.iter().any(|it| it == value);
        let entry = &machine.entry;
        if let Some(tag) = self.key.strip_prefix("tag:") {
            return entry.tags.get(tag).is_some_and(|value| is(value));
        }
        match self.key.as_str() {
            "tag-key" => self.values.iter().any(|key| entry.tags.contains_key(key)),
            "InstanceIds" => is(&entry.instance_id),
            "AgentVersion" => is(&entry.agent_version),
            "PingStatus" => is(ping),
            "PlatformTypes" => is("Linux"),
            "ResourceType" => is("EC2Instance"),
            "IamRole" => is(&entry.role),
            _ => false,
        }
    }
}

impl Ssm {
    pub(super) fn describe_instances(&self, input: Describe) -> ApiResult<Value> {
        let size @ 5..=50 = input.max_results.unwrap_or(10) else {
            return Err(ApiError::validation("MaxResults must be between 5 and 50"));
        };
        let token = input.next_token.clone();
        let filters = input.into_filters()?;
        let mut machines = self.fleet.machines();
        machines.retain(|it| {
            let ping = self.fleet.ping_status(it);
            it.power == Power::Running && filters.iter().all(|filter| filter.selects(it, ping))
        });
        let shown = page(machines, |it| it.entry.instance_id.clone(), token.as_deref(), size)
            .map_err(|text| ApiError::client("InvalidNextToken", text))?;
        let items: Vec<Value> = shown.items.iter().map(|it| self.describe_instance(it)).collect();
        let mut answer = json!({ "InstanceInformationList": items });
        set(&mut answer, "NextToken", shown.next);
        Ok(answer)
    }

    fn describe_instance(&self, machine: &Machine) -> Value {
        let entry = &machine.entry;
        json!({
            "InstanceId": entry.instance_id, "PingStatus": self.fleet.ping_status(machine),
            "LastPingDateTime": machine.last_ping().epoch(), "AgentVersion": entry.agent_version,
            "IsLatestVersion": machine.knows_env_vars(), "PlatformType": "Linux",
            "PlatformName": "Amazon Linux", "PlatformVersion": "2023",
            "ResourceType": "EC2Instance", "IPAddress": entry.address.to_string(),
            "ComputerName": entry.name, "AssociationStatus": "Success",
            "SourceId": entry.instance_id, "SourceType": "AWS::EC2::Instance",
        })
    }
}
