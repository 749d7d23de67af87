/*!
A plugin that misbehaves on request, for the tests of the runtimes. Not for users.

Its settings name a call and a deed: `{"in": "discover", "do": "spin"}`; `detect`, which sees no settings, takes the
deed from the name of a listed file, `do-DEED`. Without a deed it is a well-behaved source of `rows` records of
`dimension` values, and a sink that holds what it is given and writes it to a file at `finish`.
*/

mod deeds;
mod pages;
mod sink;

pub use sink::HostileSink;
use vecferry_sdk::{
    Capability, Claim, Collection, Config, Error, Host, Page, PluginSpec, Result, Scan, SourcePlugin, Split,
};

/// The source.
pub struct HostileSource;

vecferry_sdk::export!(source: HostileSource, sink: HostileSink);

pub(crate) fn spec() -> PluginSpec {
    PluginSpec {
        name: "hostile".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        summary: "misbehaves on request".into(),
        config_schema: r#"{"type": "object"}"#.into(),
        schemes: vec!["hostile".into()],
        // Not sqlite: a test asks for it all the same.
        capabilities: vec![Capability::SourceFiles, Capability::Http, Capability::SinkFiles],
        features: Vec::new(),
    }
}

/// Does the deed that the settings want in `call`, if any.
pub(crate) fn provoke(host: &Host, config: &Config, call: &str) -> Result<()> {
    match wanted(config, call) {
        Some(deed) => deeds::run(host, deed),
        None => Ok(()),
    }
}

pub(crate) fn wanted<'a>(config: &'a Config, call: &str) -> Option<&'a str> {
    if config["in"] == call { config["do"].as_str() } else { None }
}

fn number(config: &Config, key: &str, default: u32) -> u32 {
    config[key].as_u64().and_then(|value| u32::try_from(value).ok()).unwrap_or(default)
}

impl SourcePlugin for HostileSource {
    fn spec() -> PluginSpec {
        spec()
    }

    fn detect(host: &Host) -> Result<Vec<Claim>> {
        let files = host.list_files()?;
        for file in &files {
            if let Some(deed) = file.name.strip_prefix("do-") {
                deeds::run(host, deed)?;
            }
        }
        let files = files.into_iter().map(|file| file.name).collect();
        Ok(vec![Claim { name: "hostile".into(), confidence: 1, files }])
    }

    fn discover(host: &Host, config: &Config) -> Result<Vec<Collection>> {
        provoke(host, config, "discover")?;
        Ok(vec![Collection {
            name: "all".into(),
            rows: Some(u64::from(number(config, "rows", 10))),
            dimension: Some(number(config, "dimension", 4)),
            has_vectors: true,
            has_documents: true,
            fingerprint: "1".into(),
            ..Collection::default()
        }])
    }

    fn plan(host: &Host, config: &Config, _collection: &str, _desired: u32) -> Result<Vec<Split>> {
        provoke(host, config, "plan")?;
        Ok(vec![Split { id: "0".into(), payload: Vec::new(), rows: None }])
    }

    fn open(host: &Host, config: &Config, _split: &Split, after: Option<&[u8]>) -> Result<Box<dyn Scan>> {
        provoke(host, config, "open")?;
        let next = match after {
            Some(cursor) => u32::from_le_bytes(
                cursor.try_into().map_err(|_| Error::config("hostile/cursor", "a cursor has four bytes"))?,
            ),
            None => 0,
        };
        Ok(Box::new(HostileScan {
            host: host.clone(),
            deed: wanted(config, "next").map(str::to_owned),
            rows: number(config, "rows", 10),
            dimension: number(config, "dimension", 4),
            next,
        }))
    }
}

struct HostileScan {
    host: Host,
    deed: Option<String>,
    rows: u32,
    dimension: u32,
    next: u32,
}

impl Scan for HostileScan {
    fn next(&mut self, max_rows: u32, _max_bytes: u64) -> Result<Option<Page>> {
        if let Some(deed) = &self.deed {
            if let Some(page) = pages::malformed(deed, max_rows) {
                return Ok(Some(page));
            }
            deeds::run(&self.host, deed)?;
        }
        let end = self.rows.min(self.next.saturating_add(max_rows));
        if self.next >= end {
            return Ok(None);
        }
        let page = pages::healthy(self.next..end, self.dimension);
        self.next = end;
        Ok(Some(page))
    }
}
