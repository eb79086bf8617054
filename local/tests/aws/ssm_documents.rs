//! Documents and their versions.

use aws_sdk_ssm::types::DocumentType;
use serde_json::json;

use crate::refusal;
use crate::world::World;

/// A document of one step.
pub(crate) fn document(script: &[&str], parameters: serde_json::Value) -> String {
    let mut parameters = parameters;
    parameters["Limit"] = json!({ "type": "String", "default": "20" });
    json!({
        "schemaVersion": "2.2", "description": "a test", "parameters": parameters,
        "mainSteps": [{ "action": "aws:runShellScript", "name": "script",
                        "inputs": { "runCommand": script, "timeoutSeconds": "{{ Limit }}" } }],
    })
    .to_string()
}

impl World {
    /// Makes a document whose parameters are all variables.
    pub(crate) async fn document(
        &self,
        name: &str,
        script: &[&str],
        parameters: serde_json::Value,
    ) {
        let content = document(script, parameters);
        let create = self.ssm().create_document().name(name).content(content);
        create.document_type(DocumentType::Command).send().await.unwrap();
    }
}

#[tokio::test]
async fn a_document_has_versions_with_hashes_and_one_default() {
    let world = World::bare("documents").await;
    let ssm = world.ssm();
    world.document("Esclusa-Test", &["true"], json!({})).await;
    let again = ssm.create_document().name("Esclusa-Test").content(document(&["x"], json!({})));
    assert_eq!(refusal!(again.send().await).0, "DocumentAlreadyExists");
    let update = |text: &str| {
        let content = document(&[text], json!({}));
        ssm.update_document().name("Esclusa-Test").content(content).document_version("$LATEST")
    };
    let updated = update("false").send().await.unwrap();
    let updated = updated.document_description().unwrap();
    assert_eq!(updated.document_version(), Some("2"));
    assert_eq!(refusal!(update("true").send().await).0, "DuplicateDocumentContent");
    let describe = async |version: Option<&str>| {
        let ask = ssm.describe_document().name("Esclusa-Test");
        let answer = ask.set_document_version(version.map(str::to_owned)).send().await.unwrap();
        answer.document().unwrap().clone()
    };
    let default = describe(None).await;
    assert_eq!((default.document_version(), default.latest_version()), (Some("1"), Some("2")));
    assert_ne!(default.hash(), describe(Some("2")).await.hash());
    assert_eq!(
        default.hash(),
        Some(
            crate::push::digest_of(document(&["true"], json!({})).as_bytes())
                .trim_start_matches("sha256:")
        )
    );
    let move_on = ssm.update_document_default_version().name("Esclusa-Test");
    move_on.document_version("2").send().await.unwrap();
    assert_eq!(describe(None).await.document_version(), Some("2"));
    let unknown = ssm.describe_document().name("Esclusa-Test").document_version("7");
    assert_eq!(refusal!(unknown.send().await).0, "InvalidDocumentVersion");
    let world = world.restart().await;
    let listed = world.ssm().list_documents().send().await.unwrap();
    assert_eq!(listed.document_identifiers()[0].document_version(), Some("2"));
    world.ssm().delete_document().name("Esclusa-Test").send().await.unwrap();
    let gone = world.ssm().get_document().name("Esclusa-Test").send().await;
    assert_eq!(refusal!(gone).0, "InvalidDocument");
}

#[tokio::test]
async fn content_that_no_agent_could_run_is_refused() {
    let world = World::bare("content").await;
    let with = |schema: &str, action: &str, line: &str| {
        let inputs = json!({ "runCommand": [line] });
        let steps = json!([{ "action": action, "name": "step", "inputs": inputs }]);
        json!({ "schemaVersion": schema, "mainSteps": steps }).to_string()
    };
    let shell = "aws:runShellScript";
    let pattern = json!({ "A": { "type": "String", "allowedPattern": "(" } });
    let large = "x".repeat(64 * 1024);
    let content = "InvalidDocumentContent";
    for (name, text, expected) in [
        ("not JSON", "schemaVersion: '2.2'".to_owned(), content),
        ("no steps", "{\"schemaVersion\":\"2.2\",\"mainSteps\":[]}".to_owned(), content),
        ("old schema", with("1.2", shell, "true"), content),
        ("another action", with("2.2", "aws:runPowerShellScript", "true"), content),
        ("a parameter that is not defined", with("2.2", shell, "{{ A }}"), content),
        ("a bad pattern", document(&["true"], pattern), content),
        ("too large", document(&[&large], json!({})), "MaxDocumentSizeExceeded"),
    ] {
        let create = world.ssm().create_document().name("Esclusa-Test").content(text);
        assert_eq!(refusal!(create.send().await).0, expected, "{name}");
    }
}
