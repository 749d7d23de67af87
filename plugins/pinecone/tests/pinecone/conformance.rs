//! What every sink must do.

use vecferry_plugin_pinecone::PineconeSink;
use vecferry_sdk::testing::sink_conformance::{InProcess, Promises, SinkUnderTest, run};
use vecferry_sdk::{Config, Host, Limits, PrepareMode, Result, SinkPlugin, Target, Writer};

use crate::common::Place;

/// An index has one dimension and one metric: cases with several kinds of targets get an index for each kind.
struct IndexEach {
    host: Host,
    config: Config,
}

impl IndexEach {
    fn config(&self, target: &Target) -> Config {
        let mut config = self.config.clone();
        let kind = format!("x{}-{}", target.dimension.unwrap(), target.metric.as_str());
        config["location"] = kind.into();
        config
    }
}

impl SinkUnderTest for IndexEach {
    fn check(&mut self) -> Result<()> {
        PineconeSink::check(&self.host, &self.config)
    }
    fn prepare(&mut self, target: &Target, mode: PrepareMode) -> Result<Limits> {
        PineconeSink::prepare(&self.host, &self.config(target), target, mode)
    }
    fn open<'a>(&'a mut self, target: &Target) -> Result<Box<dyn Writer + 'a>> {
        PineconeSink::open(&self.host, &self.config(target), target)
    }
    fn finish(&mut self) -> Result<()> {
        PineconeSink::finish(&self.host, &self.config)
    }
}

#[test]
fn does_what_every_sink_must() {
    let place = Place::new();
    let promises = Promises { reopens: true, every_column: false, without_vectors: false, max_dimension: 20_000 };
    let (ran, failures) = run(promises, &|name| {
        let index = name.replace(|c: char| !c.is_ascii_alphanumeric(), "-").to_lowercase();
        let (host, config) = (place.host.clone(), place.config(&index[..index.len().min(45)]));
        match name {
            "queries-put-the-nearest-first" | "collections-are-apart" => Box::new(IndexEach { host, config }),
            _ => Box::new(InProcess::<PineconeSink>::new(host, config)),
        }
    });
    assert!(failures.is_empty(), "{failures:#?}");
    assert!(ran >= 20, "{ran} cases");
}
