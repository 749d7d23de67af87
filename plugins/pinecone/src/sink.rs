/*!
The sink's side towards the host: making an index ready, and telling what it takes.

Waiting is the host's: an index that is being made answers `transient` with the time after which to ask again, and
`prepare` may be called as often as that.
*/

use std::cell::RefCell;

use vecferry_sdk::{
    Batch, Config, Error, Host, Limits, PluginSpec, PrepareMode, Receipt, Result, SinkPlugin, Target, Writer,
};

use crate::PineconeSink;
use crate::client::Client;
use crate::index::{Index, wanted_metric};
use crate::namespace::{Namespace, stored_name};
use crate::records::{Takes, records};
use crate::request::MAX_RECORDS;
use crate::settings::{Settings, VectorType};
use crate::writer::NamespaceWriter;

/// Bytes of one write as the host counts them, four a value: as JSON it becomes about three times that, so that a write
/// is one request, nearly 2 MB large.
const MAX_BATCH_BYTES: u64 = 640 << 10;
/// Requests in flight, at most: what is gained by more is lost to throttling.
const MAX_WRITERS: u32 = 16;

thread_local! {
    /// The index that this instance found last, so that not every writer asks the control plane.
    static FOUND: RefCell<Option<(String, Index)>> = const { RefCell::new(None) };
}

fn key(settings: &Settings) -> String {
    format!("{} {} {}", settings.controller, settings.index, settings.index_host.as_deref().unwrap_or_default())
}

fn remember(settings: &Settings, index: &Index) {
    FOUND.set(Some((key(settings), index.clone())));
}

fn recall(settings: &Settings) -> Option<Index> {
    let key = key(settings);
    FOUND.with_borrow(|found| found.as_ref().filter(|(known, _)| *known == key).map(|(_, index)| index.clone()))
}

impl SinkPlugin for PineconeSink {
    fn spec() -> PluginSpec {
        crate::spec()
    }

    /// Asks for the index: a wrong key, host or name is found before anything is read. That it does not exist, or is
    /// not ready, is for `prepare`.
    fn check(host: &Host, config: &Config) -> Result<()> {
        match Index::find(host, &Settings::read(config)?) {
            Err(error) if error.code == "pinecone/not-ready" => Ok(()),
            found => found.map(drop),
        }
    }

    fn prepare(host: &Host, config: &Config, target: &Target, mode: PrepareMode) -> Result<Limits> {
        let settings = Settings::read(config)?;
        let index = match (Index::find(host, &settings)?, mode) {
            (Some(index), _) => index,
            (None, PrepareMode::MustExist) => Index::existing(host, &settings)?,
            (None, PrepareMode::CreateIfMissing | PrepareMode::MustBeEmpty) => {
                Index::create(host, &settings, target)?;
                Index::existing(host, &settings)?
            }
        };
        index.agree(&settings, target)?;
        if mode == PrepareMode::MustBeEmpty {
            let count = namespace(host, &settings, index.clone(), target).count()?;
            if count > 0 {
                let (name, index) = (&target.collection, &index.name);
                let message =
                    format!("the namespace '{name}' of the index '{index}' holds {count} records and must be empty");
                return Err(Error::config("target/not-empty", message).hint("write into another one (--namespace)"));
            }
        }
        remember(&settings, &index);
        Ok(Limits {
            max_rows: u32::try_from(MAX_RECORDS).unwrap_or(u32::MAX),
            max_bytes: MAX_BATCH_BYTES,
            max_concurrency: MAX_WRITERS,
            ..Limits::default()
        })
    }

    fn rehearse(config: &Config, target: &Target, batch: &Batch) -> Result<Receipt> {
        let settings = Settings::read(config)?;
        let takes = Takes {
            vector_type: settings.vector_type,
            dimension: target.dimension,
            metric: wanted_metric(&settings, target),
            drop_sparse: settings.drop_sparse,
        };
        records(&settings.layout(&target.collection), takes, batch).map(|(_, receipt)| receipt)
    }

    fn open(host: &Host, config: &Config, target: &Target) -> Result<Box<dyn Writer>> {
        let settings = Settings::read(config)?;
        let index = match recall(&settings) {
            Some(index) => index,
            None => Index::existing(host, &settings)?,
        };
        index.agree(&settings, target)?;
        remember(&settings, &index);
        let takes = Takes {
            vector_type: index.vector_type,
            dimension: if index.vector_type == VectorType::Dense { index.dimension.or(target.dimension) } else { None },
            metric: index.metric.or_else(|| wanted_metric(&settings, target)),
            drop_sparse: settings.drop_sparse,
        };
        let layout = settings.layout(&target.collection);
        Ok(Box::new(NamespaceWriter::new(namespace(host, &settings, index, target), layout, takes)))
    }
}

fn namespace(host: &Host, settings: &Settings, index: Index, target: &Target) -> Namespace {
    Namespace {
        client: Client::new(host, &settings.api_version),
        index,
        name: stored_name(&target.collection).into_owned(),
    }
}
