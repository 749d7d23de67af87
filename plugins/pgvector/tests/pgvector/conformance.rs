//! What every sink must do.

use vecferry_plugin_pgvector::PgvectorSink;
use vecferry_sdk::testing::sink_conformance::{InProcess, Promises, run};

use crate::common::{Place, server};

#[test]
fn does_what_every_sink_must() {
    let place = Place::new("conformance");
    // sparsevec's indices end at 1,000,000,000, the cases' do not.
    let promises = Promises { reopens: true, every_column: false, without_vectors: true, max_dimension: 16_000 };
    let (ran, failures) = run(promises, &|name| {
        let schema = format!("conformance {}", name.get(..name.len().min(40)).unwrap());
        server().sql("postgres").batch_execute(&format!("CREATE SCHEMA IF NOT EXISTS \"{schema}\"")).unwrap();
        let config = place.config_with(serde_json::json!({"schema": schema}));
        Box::new(InProcess::<PgvectorSink>::new(place.host.clone(), config))
    });
    assert!(failures.is_empty(), "{failures:#?}");
    assert!(ran >= 21, "{ran} cases");
}
