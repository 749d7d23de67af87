/*! A sink that holds what it is given, and misbehaves on request as the source does. */

use std::cell::RefCell;

use vecferry_sdk::{
    Batch, Config, Dense, Error, Hit, Host, Limits, PluginSpec, PrepareMode, Receipt, Result, SinkPlugin, Target,
    Writer,
};

use crate::{deeds, provoke, spec, wanted};

thread_local! {
    /// Ids of the records written to this instance.
    static HELD: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// The sink.
pub struct HostileSink;

impl SinkPlugin for HostileSink {
    fn spec() -> PluginSpec {
        spec()
    }

    fn check(host: &Host, config: &Config) -> Result<()> {
        provoke(host, config, "check")
    }

    fn prepare(host: &Host, config: &Config, _target: &Target, _mode: PrepareMode) -> Result<Limits> {
        provoke(host, config, "prepare")?;
        Ok(Limits { max_concurrency: 1, ..Limits::default() })
    }

    fn open(host: &Host, config: &Config, _target: &Target) -> Result<Box<dyn Writer>> {
        provoke(host, config, "open")?;
        Ok(Box::new(HostileWriter { host: host.clone(), config: config.clone() }))
    }

    fn finish(host: &Host, config: &Config) -> Result<()> {
        provoke(host, config, "finish")?;
        let mut output = host.create_output("ids.txt")?;
        output.write(HELD.with_borrow(|ids| ids.join("\n")).as_bytes())?;
        output.commit()
    }
}

struct HostileWriter {
    host: Host,
    config: Config,
}

impl HostileWriter {
    fn provoke(&self, call: &str) -> Result<()> {
        match wanted(&self.config, call) {
            Some("throttle") => Err(Error::throttled("hostile/throttle", "slow down")),
            Some(deed) => deeds::run(&self.host, deed),
            None => Ok(()),
        }
    }
}

impl Writer for HostileWriter {
    fn write(&mut self, batch: &Batch) -> Result<Receipt> {
        self.provoke("write")?;
        HELD.with_borrow_mut(|held| held.extend_from_slice(&batch.ids));
        Ok(Receipt { accepted: u32::try_from(batch.len()).unwrap_or(u32::MAX), ..Receipt::default() })
    }

    fn flush(&mut self) -> Result<()> {
        self.provoke("flush")
    }

    fn count(&mut self) -> Result<u64> {
        self.provoke("count")?;
        Ok(HELD.with_borrow(|held| held.len() as u64))
    }

    fn fetch(&mut self, ids: &[String]) -> Result<Batch> {
        if wanted(&self.config, "fetch") == Some("short-metadata") {
            return Ok(Batch { ids: ids.to_vec(), metadata: Some(Vec::new()), ..Batch::default() });
        }
        self.provoke("fetch")?;
        let known = |id: &&String| HELD.with_borrow(|held| held.contains(id));
        Ok(Batch { ids: ids.iter().filter(known).cloned().collect(), ..Batch::default() })
    }

    fn query(&mut self, vectors: &Dense, k: u32) -> Result<Vec<Vec<Hit>>> {
        self.provoke("query")?;
        let rows = vectors.values.len() / (vectors.dimension as usize).max(1);
        let held = HELD.with_borrow(Clone::clone);
        let hits: Vec<Hit> = held.into_iter().take(k as usize).map(|id| Hit { id, score: 1.0 }).collect();
        Ok(vec![hits; rows])
    }
}
