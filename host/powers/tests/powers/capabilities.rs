/*! Deny by default: a power works only when the plugin requested it and the user granted it. */

use std::sync::atomic::Ordering;

use vecferry_contract::ErrorKind;
use vecferry_core::SourceGrant;
use vecferry_powers::{Capability, Error, Grants, Method, Powers, Request};

fn request() -> Request {
    Request { method: Method::Get, url: "http://localhost/".into(), headers: vec![], body: vec![], timeout_ms: None }
}

/// Uses each capability once; the errors, in the order of `common::ALL`.
fn use_all(powers: &Powers) -> [Option<Error>; 4] {
    [
        powers.list_files().err(),
        powers.open_sqlite("a.db").err(),
        powers.send(request()).err(),
        powers.create_output("out.txt").err(),
    ]
}

fn all_grants(folder: &std::path::Path) -> Grants {
    Grants {
        source: Some(SourceGrant { root: folder.to_owned(), files: None }),
        sink: Some(vecferry_core::SinkGrant::folder(folder)),
        http_hosts: vec!["elsewhere.example".into()],
        ..Grants::default()
    }
}

#[test]
fn nothing_is_granted_by_default() {
    let powers = Powers::new("probe", &crate::common::ALL, Grants::default());
    for (capability, error) in crate::common::ALL.iter().zip(use_all(&powers)) {
        let error = error.unwrap_or_else(|| panic!("{capability:?} worked without a grant"));
        assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Denied, "capability/not-granted"), "{capability:?}");
        assert_eq!(error.context("capability"), Some(capability.as_str()));
        assert!(error.message.contains("probe") && error.message.contains(capability.as_str()), "{error}");
        assert!(error.hint.is_some(), "how to grant {capability:?} is said");
    }
}

#[test]
fn what_the_spec_does_not_request_is_denied_though_granted() {
    let folder = tempfile::tempdir().unwrap();
    for missing in crate::common::ALL {
        let requested: Vec<Capability> = crate::common::ALL.into_iter().filter(|one| *one != missing).collect();
        let powers = Powers::new("probe", &requested, all_grants(folder.path()));
        for (capability, error) in crate::common::ALL.iter().zip(use_all(&powers)) {
            let refused = error.filter(|error| error.code == "capability/not-requested");
            assert_eq!(refused.is_some(), *capability == missing, "{capability:?} without {missing:?}");
        }
    }
}

#[test]
fn cancellation_is_seen() {
    let grants = Grants::default();
    let flag = grants.cancelled.clone();
    let powers = Powers::new("probe", &[], grants);
    assert!(!powers.cancelled());
    flag.store(true, Ordering::Relaxed);
    assert!(powers.cancelled());
}

#[test]
fn powers_and_handles_can_be_kept_anywhere() {
    fn send<T: Send + 'static>() {}
    send::<Powers>();
    send::<vecferry_powers::SourceFile>();
    send::<vecferry_powers::Database>();
    send::<vecferry_powers::Rows>();
    send::<vecferry_powers::Output>();
}
