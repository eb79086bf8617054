//! The operations on documents.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Ssm;
use super::content::Content;
use crate::aws::clock::Moment;
use crate::aws::error::{ApiError, ApiResult};
use crate::aws::guard;
use crate::aws::json::{page, set};
use crate::aws::sha256;

/// All documents by name.
pub(crate) type Documents = BTreeMap<String, Document>;

/// A document with all its versions.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Document {
    versions: Vec<Version>,
    default_version: u64,
    kind: String,
    target_type: Option<String>,
    tags: Vec<Value>,
}

/// One version.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Version {
    pub(crate) number: u64,
    pub(crate) text: String,
    pub(crate) hash: String,
    name: Option<String>,
    created_at: Moment,
}

impl Version {
    fn new(number: u64, text: String, name: Option<String>) -> Self {
        let hash = sha256(text.as_bytes());
        Self { number, text, hash, name, created_at: Moment::now() }
    }
}

impl Document {
    fn latest(&self) -> u64 {
        self.versions.iter().map(|it| it.number).max().unwrap_or(0)
    }

    /// The version that `wanted` selects: a number, `$LATEST`, `$DEFAULT`, or the default.
    pub(crate) fn version(&self, wanted: Option<&str>) -> ApiResult<&Version> {
        let number = match wanted {
            None | Some("" | "$DEFAULT") => Some(self.default_version),
            Some("$LATEST") => Some(self.latest()),
            Some(number) => number.parse().ok(),
        };
        let version = self.versions.iter().find(|it| Some(it.number) == number);
        version.ok_or_else(|| {
            let message = format!("Document version {} is not valid", wanted.unwrap_or_default());
            ApiError::client("InvalidDocumentVersion", message)
        })
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Create {
    name: String,
    content: String,
    version_name: Option<String>,
    document_type: Option<String>,
    document_format: Option<String>,
    target_type: Option<String>,
    #[serde(default)]
    tags: Vec<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Update {
    name: String,
    content: String,
    version_name: Option<String>,
    document_version: Option<String>,
    document_format: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Select {
    name: String,
    document_version: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListDocuments {
    max_results: Option<usize>,
    next_token: Option<String>,
    #[serde(default)]
    filters: Vec<Filter>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Filter {
    key: String,
    #[serde(default)]
    values: Vec<String>,
}

impl Ssm {
    pub(super) fn create_document(&self, input: Create) -> ApiResult<Value> {
        check_name(&input.name)?;
        check_format(input.document_format.as_deref())?;
        Content::read(&input.content)?;
        let mut documents = guard(&self.documents);
        if documents.contains_key(&input.name) {
            let message = format!("Document with name {} already exists.", input.name);
            return Err(ApiError::client("DocumentAlreadyExists", message));
        }
        let document = Document {
            versions: vec![Version::new(1, input.content, input.version_name)],
            default_version: 1,
            kind: input.document_type.unwrap_or_else(|| "Command".to_owned()),
            target_type: input.target_type,
            tags: input.tags,
        };
        documents.insert(input.name.clone(), document);
        self.answer_saved(&documents, &input.name, "1")
    }

    pub(super) fn update_document(&self, input: Update) -> ApiResult<Value> {
        check_format(input.document_format.as_deref())?;
        Content::read(&input.content)?;
        let mut documents = guard(&self.documents);
        let document = documents.get_mut(&input.name).ok_or_else(|| missing(&input.name))?;
        document.version(input.document_version.as_deref().or(Some("$LATEST")))?;
        let number = document.latest().saturating_add(1);
        let version = Version::new(number, input.content, input.version_name);
        if document.versions.iter().any(|it| it.hash == version.hash) {
            let message = "The content of the association document matches another document.";
            return Err(ApiError::client("DuplicateDocumentContent", message));
        }
        document.versions.push(version);
        self.answer_saved(&documents, &input.name, "$LATEST")
    }

    fn answer_saved(&self, documents: &Documents, name: &str, version: &str) -> ApiResult<Value> {
        self.snapshot.save(documents);
        let document = documents.get(name).ok_or_else(|| missing(name))?;
        let description = self.description(name, document, document.version(Some(version))?)?;
        Ok(json!({ "DocumentDescription": description }))
    }

    pub(super) fn update_default_version(&self, input: &Select) -> ApiResult<Value> {
        let mut documents = guard(&self.documents);
        let document = documents.get_mut(&input.name).ok_or_else(|| missing(&input.name))?;
        let number = document.version(input.document_version.as_deref())?.number;
        document.default_version = number;
        self.snapshot.save(&*documents);
        let description = json!({ "Name": input.name, "DefaultVersion": number.to_string() });
        Ok(json!({ "Description": description }))
    }

    pub(super) fn describe_document(&self, input: &Select) -> ApiResult<Value> {
        let documents = guard(&self.documents);
        let document = documents.get(&input.name).ok_or_else(|| missing(&input.name))?;
        let version = document.version(input.document_version.as_deref())?;
        Ok(json!({ "Document": self.description(&input.name, document, version)? }))
    }

    pub(super) fn get_document(&self, input: &Select) -> ApiResult<Value> {
        let documents = guard(&self.documents);
        let document = documents.get(&input.name).ok_or_else(|| missing(&input.name))?;
        let version = document.version(input.document_version.as_deref())?;
        Ok(json!({
            "Name": input.name, "Content": version.text, "DocumentType": document.kind,
            "DocumentFormat": "JSON", "DocumentVersion": version.number.to_string(),
            "Status": "Active", "CreatedDate": version.created_at.epoch(),
        }))
    }

    pub(super) fn delete_document(&self, input: &Select) -> ApiResult<Value> {
        let mut documents = guard(&self.documents);
        documents.remove(&input.name).ok_or_else(|| missing(&input.name))?;
        self.snapshot.save(&*documents);
        Ok(json!({}))
    }

    pub(super) fn list_documents(&self, input: &ListDocuments) -> ApiResult<Value> {
        let size = input.max_results.unwrap_or(50);
        if !(1..=50).contains(&size) {
            return Err(ApiError::validation("MaxResults must be between 1 and 50"));
        }
        let documents = guard(&self.documents);
        let wanted = documents.iter().filter(|(name, _)| input.selects(name));
        let names: Vec<String> = wanted.map(|(name, _)| name.clone()).collect();
        let shown = page(names, Clone::clone, input.next_token.as_deref(), size)
            .map_err(|text| ApiError::client("InvalidNextToken", text))?;
        let mut items = Vec::new();
        for name in &shown.items {
            let Some(document) = documents.get(name) else { continue };
            items.push(self.identifier(name, document)?);
        }
        let mut answer = json!({ "DocumentIdentifiers": items });
        set(&mut answer, "NextToken", shown.next);
        Ok(answer)
    }

    fn identifier(&self, name: &str, document: &Document) -> ApiResult<Value> {
        let version = document.version(None)?;
        Ok(json!({
            "Name": name, "Owner": self.settings.account, "PlatformTypes": ["Linux"],
            "DocumentVersion": version.number.to_string(), "DocumentType": document.kind,
            "SchemaVersion": "2.2", "DocumentFormat": "JSON", "Tags": document.tags,
            "CreatedDate": version.created_at.epoch(),
        }))
    }

    fn description(&self, name: &str, document: &Document, at: &Version) -> ApiResult<Value> {
        let content = Content::read(&at.text)?;
        let parameters: Vec<Value> = content
            .parameters
            .iter()
            .map(|(name, spec)| {
                let mut parameter = json!({ "Name": name, "Type": spec.kind });
                set(&mut parameter, "Description", spec.description.clone());
                let default = spec.default.as_ref();
                set(&mut parameter, "DefaultValue", default.map(as_text));
                parameter
            })
            .collect();
        let mut description = json!({
            "Name": name, "Hash": at.hash, "HashType": "Sha256", "Owner": self.settings.account,
            "CreatedDate": at.created_at.epoch(), "Status": "Active", "Parameters": parameters,
            "DocumentVersion": at.number.to_string(), "PlatformTypes": ["Linux"],
            "DocumentType": document.kind, "SchemaVersion": content.schema_version,
            "LatestVersion": document.latest().to_string(), "DocumentFormat": "JSON",
            "DefaultVersion": document.default_version.to_string(), "Tags": document.tags,
        });
        set(&mut description, "Description", content.description);
        set(&mut description, "VersionName", at.name.clone());
        set(&mut description, "TargetType", document.target_type.clone());
        Ok(description)
    }
}

impl ListDocuments {
    /// Only names and owners can be filtered by; every document here is the account's own.
    fn selects(&self, name: &str) -> bool {
        self.filters.iter().all(|filter| match filter.key.as_str() {
            "Name" => filter.values.iter().any(|value| value == name),
            "SearchKeyword" => filter.values.iter().any(|value| name.contains(value)),
            "Owner" => filter.values.iter().any(|value| value == "Self" || value == "Private"),
            _ => true,
        })
    }
}

fn as_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// There is no document of that name.
pub(super) fn missing(name: &str) -> ApiError {
    ApiError::client("InvalidDocument", format!("Document with name {name} does not exist."))
}

fn check_name(name: &str) -> ApiResult<()> {
    let allowed = |it: char| it.is_ascii_alphanumeric() || "_-.".contains(it);
    if (3..=128).contains(&name.len()) && name.chars().all(allowed) {
        return Ok(());
    }
    Err(ApiError::validation(format!("the document name `{name}` does not match its pattern")))
}

fn check_format(format: Option<&str>) -> ApiResult<()> {
    match format {
        None | Some("JSON") => Ok(()),
        Some(other) => {
            let message = format!("documents are read as JSON here, not as {other}");
            Err(ApiError::client("InvalidDocumentContent", message))
        }
    }
}
