/*!
Pinecone's OpenAPI files as validators: read once, each schema compiled once.

OpenAPI 3.0 is almost JSON Schema. What is changed on the way in:

- `x-enum` and "possible values" are held to: it becomes `enum`;
- the files give arrays a `maxLength`: it becomes `maxItems` (their `minLength` is dropped: sparse records, which the
  same files allow, come with empty `values`);
- an object that lists its properties has no others, unless it says so: a misspelt field is a violation.
*/

use std::collections::BTreeMap;
use std::sync::OnceLock;

use jsonschema::{Draft, Validator};
use serde_json::{Map, Value, json};

/// The published versions that are judged by.
#[derive(Clone, Copy)]
pub(super) enum Version {
    V2025_10,
    V2026_04,
}

/// Where and what.
pub(super) type Problem = (String, String);

/// Both planes of one version.
pub(super) struct Api {
    calls: BTreeMap<(String, String), Call>,
}

/// One call: its parameters, its body, its answers.
pub(super) struct Call {
    parameters: Vec<Parameter>,
    request: Option<Validator>,
    /// By status, or by `4XX` and `5XX`; without a validator where the answer has no body.
    responses: BTreeMap<String, Option<Validator>>,
    /// What stands before the data plane answers in the control plane's shape.
    gate: Option<Validator>,
}

struct Parameter {
    name: String,
    required: bool,
    kind: String,
    schema: Validator,
}

/// Schemas that describe only a part of the objects they are for: a record of text is any fields besides its id.
const OPEN: &[&str] = &["UpsertRecord"];

const FILES_2025_10: [&str; 2] =
    [include_str!("../../api/db_control_2025-10.oas.yaml"), include_str!("../../api/db_data_2025-10.oas.yaml")];
const FILES_2026_04: [&str; 2] =
    [include_str!("../../api/db_control_2026-04.oas.yaml"), include_str!("../../api/db_data_2026-04.oas.yaml")];

/// What the tests take examples from.
#[cfg(test)]
pub(super) const ALL_FILES: [&str; 4] = [FILES_2025_10[0], FILES_2025_10[1], FILES_2026_04[0], FILES_2026_04[1]];

impl Api {
    /// The API of a version, read on first use.
    pub(super) fn of(version: Version) -> Result<&'static Api, &'static str> {
        static V2025_10: OnceLock<Result<Api, String>> = OnceLock::new();
        static V2026_04: OnceLock<Result<Api, String>> = OnceLock::new();
        let (kept, files) = match version {
            Version::V2025_10 => (&V2025_10, FILES_2025_10),
            Version::V2026_04 => (&V2026_04, FILES_2026_04),
        };
        kept.get_or_init(|| Api::read(files)).as_ref().map_err(String::as_str)
    }

    fn read(files: [&str; 2]) -> Result<Api, String> {
        let [control, data] = files;
        let control = Document::read(control)?;
        let data = Document::read(data)?;
        let mut calls = BTreeMap::new();
        control.calls(None, &mut calls)?;
        data.calls(Some(&control), &mut calls)?;
        Ok(Api { calls })
    }

    pub(super) fn call(&self, method: &str, path: &str) -> Option<&Call> {
        self.calls.get(&(method.to_owned(), path.to_owned()))
    }
}

/// One file: its paths, and its schemas as JSON Schema.
struct Document {
    paths: Map<String, Value>,
    schemas: Value,
}

impl Document {
    fn read(text: &str) -> Result<Document, String> {
        let document: Value = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
        let paths = document.get("paths").and_then(Value::as_object).ok_or("the file has no paths")?.clone();
        let mut schemas = document.pointer("/components/schemas").cloned().ok_or("the file has no schemas")?;
        for (name, schema) in schemas.as_object_mut().ok_or("the schemas are no mapping")? {
            tighten(schema, OPEN.contains(&name.as_str()));
        }
        Ok(Document { paths, schemas })
    }

    fn compile(&self, schema: &Value) -> Result<Validator, String> {
        let mut whole = schema.clone();
        tighten(&mut whole, false);
        whole["components"] = json!({ "schemas": self.schemas });
        jsonschema::options().with_draft(Draft::Draft7).build(&whole).map_err(|error| error.to_string())
    }

    fn calls(&self, gate: Option<&Document>, into: &mut BTreeMap<(String, String), Call>) -> Result<(), String> {
        for (path, methods) in &self.paths {
            for (method, call) in methods.as_object().into_iter().flatten() {
                let compiled = self.call(call, gate).map_err(|error| format!("{method} {path}: {error}"))?;
                into.insert((method.clone(), path.clone()), compiled);
            }
        }
        Ok(())
    }

    fn call(&self, call: &Value, gate: Option<&Document>) -> Result<Call, String> {
        let mut parameters = Vec::new();
        for parameter in call.get("parameters").and_then(Value::as_array).into_iter().flatten() {
            if parameter.get("in").and_then(Value::as_str) != Some("query") {
                continue;
            }
            let schema = parameter.get("schema").ok_or("a parameter has no schema")?;
            let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
            parameters.push(Parameter {
                name: text(parameter, "name"),
                required: parameter.get("required").and_then(Value::as_bool).unwrap_or(false),
                kind: text(schema, "type"),
                schema: self.compile(schema)?,
            });
        }
        let json_body = |of: Option<&Value>| of.and_then(|of| of.pointer("/content/application~1json/schema")).cloned();
        let request = json_body(call.get("requestBody")).map(|schema| self.compile(&schema)).transpose()?;
        let mut responses = BTreeMap::new();
        for (status, response) in call.get("responses").and_then(Value::as_object).into_iter().flatten() {
            let validator = json_body(Some(response)).map(|schema| self.compile(&schema)).transpose()?;
            responses.insert(status.clone(), validator);
        }
        let gate =
            gate.map(|control| control.compile(&json!({"$ref": "#/components/schemas/ErrorResponse"}))).transpose()?;
        Ok(Call { parameters, request, responses, gate })
    }
}

/// Makes a schema of OpenAPI one of JSON Schema, and as strict as the module says.
fn tighten(schema: &mut Value, open: bool) {
    let Value::Object(schema) = schema else { return };
    if let Some(values) = schema.remove("x-enum") {
        schema.insert("enum".to_owned(), values);
    }
    match schema.get("type").and_then(Value::as_str) {
        Some("array") => {
            schema.remove("minLength");
            if let Some(most) = schema.remove("maxLength") {
                schema.insert("maxItems".to_owned(), most);
            }
        }
        Some("object") if !open && schema.contains_key("properties") => {
            schema.entry("additionalProperties").or_insert(Value::Bool(false));
        }
        _ => {}
    }
    if schema.remove("nullable") == Some(Value::Bool(true))
        && let Some(kind) = schema.get("type").cloned()
    {
        schema.insert("type".to_owned(), json!([kind, "null"]));
    }
    for (_, inner) in schema.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten() {
        tighten(inner, false);
    }
    for of_schema in ["items", "additionalProperties"] {
        if let Some(inner) = schema.get_mut(of_schema) {
            tighten(inner, false);
        }
    }
    for choice in ["oneOf", "anyOf", "allOf"] {
        for inner in schema.get_mut(choice).and_then(Value::as_array_mut).into_iter().flatten() {
            tighten(inner, false);
        }
    }
}

impl Call {
    /// What is wrong with a request's parameters.
    pub(super) fn parameters(&self, given: &[(String, String)]) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (name, _) in given {
            if !self.parameters.iter().any(|parameter| parameter.name == *name) {
                problems.push((name.clone(), "is no parameter of this call".to_owned()));
            }
        }
        for parameter in &self.parameters {
            let values: Vec<&str> =
                given.iter().filter(|(name, _)| *name == parameter.name).map(|(_, value)| value.as_str()).collect();
            let value = match (parameter.kind.as_str(), values.as_slice()) {
                (_, []) if parameter.required => {
                    problems.push((parameter.name.clone(), "is required".to_owned()));
                    continue;
                }
                (_, []) => continue,
                ("array", values) => json!(values),
                ("integer", [value]) => value.parse::<i64>().map_or_else(|_| json!(value), |number| json!(number)),
                (_, [value]) => json!(value),
                (_, values) => {
                    problems.push((parameter.name.clone(), format!("is given {} times", values.len())));
                    continue;
                }
            };
            problems.extend(errors(&parameter.schema, &value).map(|(_, problem)| (parameter.name.clone(), problem)));
        }
        problems
    }

    /// What is wrong with a request's body.
    pub(super) fn request(&self, body: &[u8]) -> Vec<Problem> {
        match (&self.request, body.is_empty()) {
            (None, true) => Vec::new(),
            (None, false) => vec![("the body".to_owned(), "is not expected".to_owned())],
            (Some(validator), _) => judge(validator, body),
        }
    }

    /// What is wrong with an answer.
    pub(super) fn response(&self, status: u16, body: &[u8]) -> Vec<Problem> {
        let range = format!("{}XX", status / 100);
        let Some(response) = self.responses.get(&status.to_string()).or_else(|| self.responses.get(&range)) else {
            return vec![("the status".to_owned(), format!("{status} is none of this call's"))];
        };
        match response {
            None if body.is_empty() => Vec::new(),
            None => vec![("the answer".to_owned(), "has a body, and should have none".to_owned())],
            Some(validator) => {
                let problems = judge(validator, body);
                let by_gate = self.gate.as_ref().is_some_and(|gate| judge(gate, body).is_empty());
                if status >= 400 && by_gate { Vec::new() } else { problems }
            }
        }
    }
}

fn judge(validator: &Validator, body: &[u8]) -> Vec<Problem> {
    match serde_json::from_slice::<Value>(body) {
        Ok(value) => errors(validator, &value).collect(),
        Err(error) => vec![("the body".to_owned(), format!("is no JSON: {error}"))],
    }
}

fn errors(validator: &Validator, value: &Value) -> impl Iterator<Item = Problem> {
    let found: Vec<Problem> = validator
        .iter_errors(value)
        .take(20)
        .map(|error| {
            let problem: String = error.to_string().chars().take(300).collect();
            (error.instance_path().to_string(), problem)
        })
        .collect();
    found.into_iter()
}
