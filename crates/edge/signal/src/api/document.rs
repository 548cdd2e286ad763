//! The description of the API: `OpenAPI` 3.1, put together from what stands at each operation, and what is alike for all.

use plenum_api::error::ErrorBody;
use utoipa::{
    PartialSchema as _, ToSchema as _,
    openapi::{
        Content, Info, License, OpenApi, OpenApiVersion, Ref, RefOr, Response,
        path::{Operation, PathItem},
        security::{
            ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
        },
        tag::Tag,
    },
};

use super::access::Gate;

/// Under which path the operations are.
pub(super) const BASE: &str = "/api/v1";

const HEADER_KEY: &str = "apiKey";
const BEARER_KEY: &str = "bearer";

const DESCRIPTION: &str = "Looks into a running node and changes what goes on there.\n\n\
    Whoever shows an API key (`X-Api-Key`, or `Authorization: Bearer`) may do what its scope says, in its namespace if it has \
    one: `read` looks, `rooms` also changes rooms and what is in them, `admin` also changes the node. Without a key programs \
    on the node's own machine may do everything, unless `admin.allow` says otherwise.\n\n\
    Names in paths are percent-encoded. Every error has the same shape. What changes something is carried out to its end, \
    also when the caller hangs up.";

const TAGS: [(&str, &str); 7] = [
    ("namespaces", "Tenants of the node, which share nothing."),
    ("rooms", "Rooms as wholes."),
    ("peers", "Who is in a room."),
    (
        "media",
        "Transports, producers, consumers and their counters.",
    ),
    ("workers", "The node and its media workers."),
    ("nodes", "The cluster, and why people are where they are."),
    ("webhooks", "Receivers of what happens in rooms."),
];

/// Says of every operation what its caller must show.
pub(super) fn note_scope(document: &mut OpenApi, gate: Gate) {
    let scope = gate.scope.as_str();
    for operation in operations(document) {
        let key = |name| SecurityRequirement::new(name, [scope]);
        operation.security = Some(vec![
            key(HEADER_KEY),
            key(BEARER_KEY),
            SecurityRequirement::default(),
        ]);
        let responses = &mut operation.responses.responses;
        responses.insert("default".to_owned(), RefOr::T(refused()));
    }
}

fn refused() -> Response {
    let body = Ref::from_schema_name(ErrorBody::name());
    let mut response = Response::new("Why it is not carried out.");
    let content = Content::new(Some(RefOr::Ref(body)));
    response
        .content
        .insert("application/json".to_owned(), RefOr::T(content));
    response
}

/// Adds what is the same for all operations.
pub(super) fn complete(mut document: OpenApi) -> OpenApi {
    document.openapi = OpenApiVersion::Version31;
    let paths = std::mem::take(&mut document.paths.paths);
    document.paths.paths = paths
        .into_iter()
        .map(|(path, item)| (format!("{BASE}{path}"), item))
        .collect();
    let mut info = Info::new("Plenum admin API", "1");
    info.description = Some(DESCRIPTION.to_owned());
    let mut license = License::new("MIT OR Apache-2.0");
    license.identifier = Some("MIT OR Apache-2.0".to_owned());
    info.license = Some(license);
    document.info = info;
    let tag = |(name, description): (&str, &str)| {
        let mut tag = Tag::new(name);
        tag.description = Some(description.to_owned());
        tag
    };
    document.tags = Some(TAGS.into_iter().map(tag).collect());
    let components = document.components.get_or_insert_default();
    let schemas = &mut components.schemas;
    schemas.insert(ErrorBody::name().into_owned(), ErrorBody::schema());
    let header = ApiKey::Header(ApiKeyValue::new("X-Api-Key"));
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    components.add_security_scheme(HEADER_KEY, SecurityScheme::ApiKey(header));
    components.add_security_scheme(BEARER_KEY, SecurityScheme::Http(bearer));
    document
}

fn operations(document: &mut OpenApi) -> impl Iterator<Item = &mut Operation> {
    let items = document.paths.paths.values_mut();
    items.flat_map(|item: &mut PathItem| {
        let PathItem {
            get,
            put,
            post,
            delete,
            patch,
            ..
        } = item;
        [get, put, post, delete, patch].into_iter().flatten()
    })
}

#[cfg(test)]
mod tests {
    use std::{env, fs, path::PathBuf};

    use serde_json::Value;

    use super::super::{DOCUMENT_FILE, described};

    /// Run with this set to write the file anew.
    const UPDATE: &str = "PLENUM_UPDATE_OPENAPI";

    #[test]
    fn the_file_in_the_tree_says_what_the_node_does() {
        let text = described().to_pretty_json().expect("plain data") + "\n";
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(DOCUMENT_FILE);
        if env::var_os(UPDATE).is_some() {
            fs::write(&path, &text).expect("writable");
        }
        let in_tree = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            in_tree == text,
            "docs/api/openapi.json is stale: {UPDATE}=1 cargo test -p plenum-signal the_file_in_the_tree writes it anew"
        );
    }

    #[test]
    fn everything_that_is_referred_to_is_there_and_every_operation_has_a_name() {
        let document = serde_json::to_value(described()).expect("plain data");
        assert_eq!(document["openapi"], "3.1.0");
        let mut names = Vec::new();
        for item in document["paths"].as_object().expect("paths").values() {
            for operation in item.as_object().expect("operations").values() {
                names.push(
                    operation["operationId"]
                        .as_str()
                        .expect("a name")
                        .to_owned(),
                );
                assert!(operation["responses"]["default"].is_object());
                assert!(operation["summary"].is_string());
            }
        }
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "{names:?}");
        check_references(&document, &document);
    }

    fn check_references(document: &Value, part: &Value) {
        match part {
            Value::Object(members) => {
                if let Some(Value::String(to)) = members.get("$ref") {
                    let pointer = to.trim_start_matches('#');
                    assert!(document.pointer(pointer).is_some(), "{to}");
                }
                members
                    .values()
                    .for_each(|it| check_references(document, it));
            }
            Value::Array(all) => all.iter().for_each(|it| check_references(document, it)),
            _ => {}
        }
    }
}
