#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;

fn input(metadata: &str) -> IdInput<'_> {
    IdInput { id: "7", namespace: "default", collection: "text", store: "vector_db", metadata }
}

#[test]
fn templates_are_filled_from_the_record() {
    let cases = [
        ("own id", "{id}", "{}", "7"),
        ("default, all there", POSITION_TEMPLATE, r#"{"source":"a.pdf","chunk_id":3}"#, "default_a.pdf_3"),
        ("default, nothing there", POSITION_TEMPLATE, "{}", "default_text_7"),
        ("default, empty source", POSITION_TEMPLATE, r#"{"source":""}"#, "default_text_7"),
        ("metadata field", "{metadata.page}/{id}", r#"{"page":2}"#, "2/7"),
        ("braces and letters beyond ASCII", "{{ü}}{id}", "{}", "{ü}7"),
        ("store and collection", "{store}/{collection}/{id}", "{}", "vector_db/text/7"),
    ];
    for (name, template, metadata, expected) in cases {
        let id = IdTemplate::parse(template).unwrap().fill(&input(metadata)).unwrap();
        assert_eq!(id, expected, "{name}");
    }
}

#[test]
fn the_default_templates_are_what_parsing_their_text_gives() {
    for origin in [IdOrigin::Store, IdOrigin::Position] {
        let template = IdTemplate::default_for(origin);
        assert_eq!(IdTemplate::parse(template.as_str()).unwrap(), template);
    }
}

#[test]
fn templates_that_cannot_work_are_refused() {
    for template in ["{nope}", "{id", "id}", "{metadata.}", "constant", "{namespace}", ""] {
        let error = IdTemplate::parse(template).unwrap_err();
        assert_eq!(error.code, "id/template", "{template}");
        assert!(error.hint.unwrap().contains("{chunk_id}"));
    }
}

#[test]
fn a_record_without_the_named_field_is_an_error_not_an_empty_id() {
    let template = IdTemplate::parse("{metadata.page}").unwrap();
    assert_eq!(template.fill(&input("{}")).unwrap_err().code, "id/missing");
    assert_eq!(template.fill(&input("[oops")).unwrap_err().code, "id/metadata");
}
