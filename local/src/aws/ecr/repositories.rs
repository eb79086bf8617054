//! Repositories and their settings.

use serde::Deserialize;
use serde_json::{Value, json};

use super::catalog::Repository;
use super::policy::{Tag, tag_map};
use super::{Ecr, invalid};
use crate::aws::error::{ApiError, ApiResult};
use crate::aws::guard;
use crate::aws::json::{page, set};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Create {
    repository_name: String,
    image_tag_mutability: Option<String>,
    #[serde(default)]
    image_tag_mutability_exclusion_filters: Vec<ExclusionFilter>,
    #[serde(default)]
    image_scanning_configuration: ScanningConfiguration,
    #[serde(default)]
    tags: Vec<Tag>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExclusionFilter {
    filter: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ScanningConfiguration {
    #[serde(default)]
    scan_on_push: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PutMutability {
    repository_name: String,
    image_tag_mutability: String,
    #[serde(default)]
    image_tag_mutability_exclusion_filters: Vec<ExclusionFilter>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PutScanning {
    repository_name: String,
    image_scanning_configuration: ScanningConfiguration,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Describe {
    repository_names: Option<Vec<String>>,
    next_token: Option<String>,
    max_results: Option<usize>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeleteRepository {
    repository_name: String,
    #[serde(default)]
    force: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Names {
    repository_names: Vec<String>,
}

impl Ecr {
    pub(super) fn create_repository(&self, input: Create) -> ApiResult<Value> {
        check_name(&input.repository_name)?;
        let mut repository = Repository::new(&input.repository_name);
        let mutability = input.image_tag_mutability.unwrap_or_else(|| "MUTABLE".to_owned());
        let filters = input.image_tag_mutability_exclusion_filters;
        set_mutability(&mut repository, mutability, filters)?;
        repository.scan_on_push = input.image_scanning_configuration.scan_on_push;
        repository.resource_tags = tag_map(input.tags);
        let mut catalog = guard(&self.catalog);
        if catalog.repositories.contains_key(&repository.name) {
            let message = format!(
                "The repository with name '{}' already exists in the registry with id '{}'",
                repository.name,
                self.account()
            );
            return Err(ApiError::client("RepositoryAlreadyExistsException", message));
        }
        let answer = json!({ "repository": self.describe_repository(&repository) });
        catalog.repositories.insert(repository.name.clone(), repository);
        self.snapshot.save(&*catalog);
        Ok(answer)
    }

    fn describe_repository(&self, it: &Repository) -> Value {
        let filter = |text: &String| json!({ "filterType": "WILDCARD", "filter": text });
        let mut answer = json!({
            "repositoryArn": self.arn(&it.name), "registryId": self.account(),
            "repositoryName": it.name, "createdAt": it.created_at.epoch(),
            "repositoryUri": format!("{}/{}", self.registry.host(), it.name),
            "imageTagMutability": it.mutability,
            "imageScanningConfiguration": { "scanOnPush": it.scan_on_push },
            "encryptionConfiguration": { "encryptionType": "AES256" },
        });
        let filters: Vec<Value> = it.exclusions.iter().map(filter).collect();
        let filters = Some(filters).filter(|it| !it.is_empty());
        set(&mut answer, "imageTagMutabilityExclusionFilters", filters);
        answer
    }

    pub(super) fn describe_repositories(&self, input: &Describe) -> ApiResult<Value> {
        if let Some(names) = &input.repository_names {
            let found: ApiResult<Vec<Repository>> =
                names.iter().map(|name| self.repository(name)).collect();
            let all: Vec<Value> = found?.iter().map(|it| self.describe_repository(it)).collect();
            return Ok(json!({ "repositories": all }));
        }
        let size @ 1..=1000 = input.max_results.unwrap_or(100) else {
            return Err(invalid("maxResults must be between 1 and 1000"));
        };
        let catalog = guard(&self.catalog);
        let all: Vec<&Repository> = catalog.repositories.values().collect();
        let shown = page(all, |it| it.name.clone(), input.next_token.as_deref(), size);
        let shown = shown.map_err(invalid)?;
        let items: Vec<Value> = shown.items.iter().map(|it| self.describe_repository(it)).collect();
        let mut answer = json!({ "repositories": items });
        set(&mut answer, "nextToken", shown.next);
        Ok(answer)
    }

    pub(super) fn delete_repository(&self, input: &DeleteRepository) -> ApiResult<Value> {
        let name = &input.repository_name;
        let repository = self.repository(name)?;
        if !input.force && !repository.images.is_empty() {
            let message = format!(
                "The repository with name '{name}' in registry with id '{}' cannot be deleted \
                 because it still contains images",
                self.account()
            );
            return Err(ApiError::client("RepositoryNotEmptyException", message));
        }
        self.registry.remove_repository(name).map_err(super::broken)?;
        let mut catalog = guard(&self.catalog);
        catalog.repositories.remove(name);
        self.snapshot.save(&*catalog);
        Ok(json!({ "repository": self.describe_repository(&repository) }))
    }

    pub(super) fn put_tag_mutability(&self, input: PutMutability) -> ApiResult<Value> {
        let name = input.repository_name;
        let filters = input.image_tag_mutability_exclusion_filters;
        let mutability = input.image_tag_mutability;
        self.change(&name, |it| set_mutability(it, mutability.clone(), filters))??;
        Ok(json!({ "registryId": self.account(), "repositoryName": name,
                   "imageTagMutability": mutability }))
    }

    pub(super) fn put_scanning(&self, input: &PutScanning) -> ApiResult<Value> {
        let on = input.image_scanning_configuration.scan_on_push;
        self.change(&input.repository_name, |it| it.scan_on_push = on)?;
        Ok(json!({ "registryId": self.account(), "repositoryName": input.repository_name,
                   "imageScanningConfiguration": { "scanOnPush": on } }))
    }

    pub(super) fn scanning(&self, input: &Names) -> ApiResult<Value> {
        if !(1..=25).contains(&input.repository_names.len()) {
            return Err(invalid("repositoryNames must have 1 to 25 members"));
        }
        let (mut found, mut failures) = (Vec::new(), Vec::new());
        for name in &input.repository_names {
            match self.repository(name) {
                Ok(it) => found.push(json!({
                    "repositoryArn": self.arn(name), "repositoryName": name,
                    "scanOnPush": it.scan_on_push, "appliedScanFilters": [],
                    "scanFrequency": if it.scan_on_push { "SCAN_ON_PUSH" } else { "MANUAL" },
                })),
                Err(error) => failures.push(json!({
                    "repositoryName": name, "failureCode": "REPOSITORY_NOT_FOUND",
                    "failureReason": error.message,
                })),
            }
        }
        Ok(json!({ "scanningConfigurations": found, "failures": failures }))
    }
}

fn set_mutability(
    repository: &mut Repository,
    mutability: String,
    filters: Vec<ExclusionFilter>,
) -> ApiResult<()> {
    let excludes = mutability.ends_with("_WITH_EXCLUSION");
    let kind = mutability.trim_end_matches("_WITH_EXCLUSION");
    if !["MUTABLE", "IMMUTABLE"].contains(&kind) {
        return Err(invalid(format!("`{mutability}` is not a tag mutability")));
    }
    if excludes == filters.is_empty() || filters.len() > 5 {
        return Err(invalid("exclusion filters go with …_WITH_EXCLUSION, 1 to 5 of them"));
    }
    repository.mutability = mutability;
    repository.exclusions = filters.into_iter().map(|it| it.filter).collect();
    Ok(())
}

fn check_name(name: &str) -> ApiResult<()> {
    let word = |it: &str| {
        let edge =
            |it: Option<char>| it.is_some_and(|it| it.is_ascii_lowercase() || it.is_ascii_digit());
        let inner = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit() || "._-".contains(it);
        edge(it.chars().next()) && edge(it.chars().last()) && it.chars().all(inner)
    };
    if (2..=256).contains(&name.len()) && name.split('/').all(word) {
        return Ok(());
    }
    Err(invalid(format!(
        "Invalid parameter at 'repositoryName' failed to satisfy constraint: 'must satisfy regular \
         expression', given `{name}`"
    )))
}
