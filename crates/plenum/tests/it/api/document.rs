//! The node's own description of its API: what can be asked, and what answers must look like.

use plenum_testkit::rng::Rng;
use serde_json::{Map, Value};

/// The whole description.
pub(super) struct Document(Value);

/// One operation.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) name: String,
    pub(super) method: String,
    path: String,
    query: Vec<String>,
    /// The schema of its body, if it takes one.
    pub(super) body: Option<Value>,
    answers: Map<String, Value>,
}

impl Operation {
    /// Its target with what stands for its parameters, in order. They are asked for by their names, identifiers by the word
    /// before them, which says of what.
    pub(super) fn target(&self, mut value: impl FnMut(&str) -> String) -> String {
        let mut target = String::new();
        let mut before = "";
        for part in self.path.split('/').skip(1) {
            target.push('/');
            match part.strip_prefix('{').and_then(|it| it.strip_suffix('}')) {
                Some("id") => target += &value(before),
                Some(name) => target += &value(name),
                None => target += part,
            }
            before = part;
        }
        for (index, name) in self.query.iter().enumerate() {
            target.push(if index == 0 { '?' } else { '&' });
            target += name;
            target.push('=');
            target += &value(name);
        }
        target
    }
}

impl Document {
    pub(super) const fn new(document: Value) -> Self {
        Self(document)
    }

    pub(super) fn operations(&self) -> Vec<Operation> {
        let paths = self.0["paths"].as_object().expect("paths");
        let all = paths.iter().flat_map(|(path, item)| {
            let item = item.as_object().expect("operations");
            item.iter().map(|(method, it)| operation(path, method, it))
        });
        all.collect()
    }

    fn resolve<'a>(&'a self, schema: &'a Value) -> &'a Value {
        match schema["$ref"].as_str() {
            Some(to) => self.0.pointer(to.trim_start_matches('#')).expect("exists"),
            None => schema,
        }
    }

    /// Whether an answer is what the description promises of it.
    pub(super) fn check(&self, operation: &Operation, code: u16, body: &str) {
        let name = &operation.name;
        let Some(answer) = operation.answers.get(&code.to_string()) else {
            panic!("{name}: {code} is not described: {body}");
        };
        let schema = &answer["content"]["application/json"]["schema"];
        if schema.is_null() {
            assert!(body.is_empty(), "{name}: {body}");
            return;
        }
        let value = serde_json::from_str(body).expect("JSON");
        if let Err(place) = self.matches(schema, &value) {
            panic!("{name}: not as described at {place}: {body}");
        }
    }

    fn matches(&self, schema: &Value, value: &Value) -> Result<(), String> {
        let schema = self.resolve(schema);
        if let Some(choices) = schema["oneOf"].as_array() {
            let any = choices.iter().any(|it| self.matches(it, value).is_ok());
            return any.then_some(()).ok_or_else(|| " (no choice)".to_owned());
        }
        if !types(schema).iter().any(|name| has_type(name, value)) {
            return Err(format!(" ({} for {})", value, schema["type"]));
        }
        if let (Some(items), Value::Array(all)) = (schema.get("items"), value) {
            for (index, item) in all.iter().enumerate() {
                self.matches(items, item)
                    .map_err(|place| format!("[{index}]{place}"))?;
            }
        }
        if let Some(allowed) = schema["enum"].as_array()
            && !allowed.contains(value)
        {
            return Err(format!(" ({value} of {allowed:?})"));
        }
        let Value::Object(members) = value else {
            return Ok(());
        };
        let required = schema["required"].as_array().into_iter().flatten();
        for name in required.filter_map(Value::as_str) {
            if !members.contains_key(name) {
                return Err(format!(".{name} (missing)"));
            }
        }
        let Some(described) = schema["properties"].as_object() else {
            return Ok(());
        };
        for (name, value) in members {
            let described = described.get(name);
            let described = described.ok_or_else(|| format!(".{name} (not described)"))?;
            self.matches(described, value)
                .map_err(|place| format!(".{name}{place}"))?;
        }
        Ok(())
    }

    /// Something that a schema allows.
    pub(super) fn example(&self, schema: &Value, rng: &mut Rng) -> Value {
        let schema = self.resolve(schema);
        if let Some(choices) = schema["oneOf"]
            .as_array()
            .or_else(|| schema["enum"].as_array())
        {
            let choice = &choices[below(rng, choices.len())];
            return if schema["enum"].is_array() {
                choice.clone()
            } else {
                self.example(choice, rng)
            };
        }
        let names = types(schema);
        match names[below(rng, names.len())] {
            "null" => Value::Null,
            "boolean" => rng.chance(0.5).into(),
            "integer" | "number" => {
                let least = schema["minimum"].as_u64().unwrap_or(0);
                let most = schema["maximum"]
                    .as_u64()
                    .unwrap_or_else(|| u32::MAX.into());
                let small = most.min(least + 10);
                let most = if rng.chance(0.7) { small } else { most };
                rng.range(least..most.saturating_add(1)).into()
            }
            "string" => ["audio", "a", "b", "warn", "rtp", "ä/%"][below(rng, 6)].into(),
            "array" => {
                let count = below(rng, 3);
                let items = (0..count).map(|_| self.example(&schema["items"], rng));
                Value::Array(items.collect())
            }
            _ => self.example_object(schema, rng),
        }
    }

    fn example_object(&self, schema: &Value, rng: &mut Rng) -> Value {
        let required = schema["required"].as_array();
        let mut members = Map::new();
        for (name, of) in schema["properties"].as_object().into_iter().flatten() {
            let needed = required.is_some_and(|it| it.contains(&name.as_str().into()));
            if needed || rng.chance(0.5) {
                members.insert(name.clone(), self.example(of, rng));
            }
        }
        Value::Object(members)
    }
}

fn below(rng: &mut Rng, count: usize) -> usize {
    usize::try_from(rng.range(0..count as u64)).expect("small")
}

fn operation(path: &str, method: &str, described: &Value) -> Operation {
    let parameters = described["parameters"].as_array().into_iter().flatten();
    let query = parameters.filter(|it| it["in"] == "query");
    let name = |it: &Value| it["name"].as_str().expect("a name").to_owned();
    let body = &described["requestBody"]["content"]["application/json"]["schema"];
    Operation {
        name: described["operationId"]
            .as_str()
            .expect("a name")
            .to_owned(),
        method: method.to_uppercase(),
        path: path.to_owned(),
        query: query.map(name).collect(),
        body: Some(body).filter(|body| !body.is_null()).cloned(),
        answers: described["responses"].as_object().expect("answers").clone(),
    }
}

/// What nothing is said of may be anything.
fn types(schema: &Value) -> Vec<&str> {
    match &schema["type"] {
        Value::String(name) => vec![name.as_str()],
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        _ if schema["properties"].is_object() => vec!["object"],
        _ => vec!["null", "boolean", "number", "string", "array", "object"],
    }
}

fn has_type(name: &str, value: &Value) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        _ => value.is_object(),
    }
}
