//! The schema of answers: the file is what the types say, and every answer fits it.

use std::path::Path;

use schemars::generate::SchemaSettings;
use serde_json::Value;

use crate::answer::Answer;

/// Set to write the file anew instead of comparing it.
const WRITE: &str = "ESCLUSA_WRITE_SCHEMA";

fn schema() -> Value {
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let mut schema = generator.into_root_schema_for::<Answer>();
    schema.insert("title".to_owned(), "An answer of Esclusa's operator".into());
    schema.to_value()
}

#[test]
fn the_schema_is_what_the_types_say() {
    let package = std::env::var("CARGO_MANIFEST_DIR").unwrap();
    let file = Path::new(&package).join("schema.json");
    let expected = schema();
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(&file, format!("{expected:#}\n")).unwrap();
    }
    // As values: whether members keep their order depends on what else is built.
    let found = std::fs::read_to_string(&file).unwrap_or_default();
    let found: Value = serde_json::from_str(&found).unwrap_or_default();
    assert!(
        found == expected,
        "functions/operator/schema.json is not what the types say: see that members were only \
         added, then write it with `{WRITE}=1 cargo test --package operator schema`"
    );
}

/// Panics unless an answer has the form that the schema says, and nothing beside it.
pub(super) fn assert_fits(answer: &Value) {
    let schema = schema();
    if let Err(misfit) = fits(&schema, &schema, answer, "answer") {
        panic!("{misfit}: {answer:#}");
    }
}

/// Whether a value fits, by as much of JSON Schema as the file uses.
fn fits(root: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    if let Some(name) = schema["$ref"].as_str() {
        let known = root.pointer(name.trim_start_matches('#'));
        fits(root, known.unwrap_or_else(|| panic!("{name} is not defined")), value, at)?;
    }
    if let Some(forms) = schema["anyOf"].as_array() {
        let misfits = forms.iter().map(|form| fits(root, form, value, at));
        let misfits: Result<Vec<String>, ()> = misfits.map(|it| it.err().ok_or(())).collect();
        misfits.map_or_else(|()| Ok(()), |misfits| Err(misfits.join(", or ")))?;
    }
    if schema.get("const").is_some_and(|only| only != value) {
        return Err(format!("{at} is not {}", schema["const"]));
    }
    let types = schema["type"].as_array().map_or(vec![&schema["type"]], Vec::from_iter);
    if !schema["type"].is_null() && !types.iter().any(|it| is(it, value)) {
        return Err(format!("{at} is none of {types:?}"));
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        fits(root, &schema["items"], item, &format!("{at}[{index}]"))?;
    }
    match (schema["properties"].as_object(), value.as_object()) {
        (Some(_), Some(_)) => members(root, schema, value, at),
        _ => Ok(()),
    }
}

/// Whether every member that must be there is, and each that is there is known and fits.
fn members(root: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    for name in schema["required"].as_array().into_iter().flatten() {
        if value.get(name.as_str().unwrap()).is_none() {
            return Err(format!("{at} has no {name}"));
        }
    }
    for (name, member) in value.as_object().into_iter().flatten() {
        let at = format!("{at}.{name}");
        match schema["properties"].get(name) {
            Some(schema) => fits(root, schema, member, &at)?,
            None => return Err(format!("{at} is not in the schema")),
        }
    }
    Ok(())
}

fn is(kind: &Value, value: &Value) -> bool {
    match kind.as_str().unwrap() {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("no answer has the type {other}"),
    }
}

#[test]
fn an_answer_of_another_form_does_not_fit() {
    let schema = schema();
    let no = |text: &str| fits(&schema, &schema, &serde_json::from_str(text).unwrap(), "answer");
    assert_eq!(no(r#"{"ok":false,"code":"a","text":"b","next":"c"}"#), Ok(()));
    for text in [
        r#"{"ok":true,"code":"a","text":"b","next":"c"}"#,
        r#"{"ok":false,"code":7,"text":"b","next":"c"}"#,
        r#"{"ok":false,"code":"a","text":"b"}"#,
        r#"{"ok":false,"code":"a","text":"b","next":"c","more":1}"#,
        "[]",
    ] {
        assert!(no(text).is_err(), "{text}");
    }
}
