//! What every sink must do.

use vecferry_plugin_chroma_server::ChromaServerSink;
use vecferry_sdk::testing::sink_conformance::{InProcess, Promises, SinkUnderTest, run};
use vecferry_sdk::{Config, Host, Limits, Metric, PrepareMode, Result, Target, Writer};

use crate::common::Place;

/// The cases call their collections as they like, and compare vectors bit for bit. Here each gets a name that Chroma
/// takes; and where vectors are compared, Chroma's one metric that changes them makes way for another: l2 and cosine
/// change places.
struct Translated {
    sink: InProcess<ChromaServerSink>,
    prefix: String,
    keeps_metric: bool,
}

impl Translated {
    fn new(host: Host, config: Config, case: &str) -> Self {
        let word: String = case.chars().filter(char::is_ascii_alphanumeric).take(60).collect();
        let keeps_metric = case.contains("nearest-first");
        Translated { sink: InProcess::new(host, config), prefix: word, keeps_metric }
    }

    fn target(&self, target: &Target) -> Target {
        let letters: String = target.collection.bytes().map(|byte| format!("{byte:02x}")).collect();
        let metric = match target.metric {
            Metric::Cosine if !self.keeps_metric => Metric::L2,
            Metric::L2 if !self.keeps_metric => Metric::Cosine,
            metric => metric,
        };
        Target { collection: format!("{}-{letters}", self.prefix), metric, dimension: target.dimension }
    }
}

impl SinkUnderTest for Translated {
    fn check(&mut self) -> Result<()> {
        self.sink.check()
    }
    fn prepare(&mut self, target: &Target, mode: PrepareMode) -> Result<Limits> {
        let target = self.target(target);
        self.sink.prepare(&target, mode)
    }
    fn open<'a>(&'a mut self, target: &Target) -> Result<Box<dyn Writer + 'a>> {
        let target = self.target(target);
        self.sink.open(&target)
    }
    fn finish(&mut self) -> Result<()> {
        self.sink.finish()
    }
}

#[test]
fn does_what_every_sink_must() {
    let place = Place::new();
    let promises = Promises { reopens: true, every_column: false, without_vectors: false, max_dimension: 20_000 };
    let (ran, failures) = run(promises, &|name| Box::new(Translated::new(place.host.clone(), place.config(), name)));
    assert!(failures.is_empty(), "{failures:#?}");
    assert!(ran >= 20, "{ran} cases");
}
