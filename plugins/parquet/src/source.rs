/*!
The source's side towards the host. A split is a run of row groups over a collection's files, a cursor the place of the
row that comes next.
*/

use serde::{Deserialize, Serialize};
use vecferry_sdk::{Claim, Collection, Config, Error, Host, PluginSpec, Result, Scan, SourcePlugin, Split};

use crate::ParquetSource;
use crate::scan::ParquetScan;
use crate::settings::SourceSettings;
use crate::store::Stored;

/// A part of a collection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Range {
    pub(crate) collection: String,
    /// Row groups, counted over all files: from this one …
    pub(crate) from: u64,
    /// … up to before this one.
    pub(crate) to: u64,
}

impl SourcePlugin for ParquetSource {
    fn spec() -> PluginSpec {
        crate::spec()
    }

    fn detect(host: &Host) -> Result<Vec<Claim>> {
        crate::detect::detect(host)
    }

    fn discover(host: &Host, config: &Config) -> Result<Vec<Collection>> {
        let settings = SourceSettings::read(config)?;
        Stored::all(host, &settings)?.iter().map(Stored::describe).collect()
    }

    fn plan(host: &Host, config: &Config, collection: &str, desired: u32) -> Result<Vec<Split>> {
        let settings = SourceSettings::read(config)?;
        let stored = Stored::named(host, &settings, collection)?;
        let groups: Vec<u64> =
            stored.tables.iter().flat_map(|table| table.footer.groups.iter().map(|group| group.rows)).collect();
        let count = groups.len() as u64;
        let parts = u64::from(desired.max(1)).min(count).max(1);
        let split = |part: u64| {
            let (from, to) = (count * part / parts, count * (part + 1) / parts);
            let range = Range { collection: collection.to_owned(), from, to };
            let payload = serde_json::to_vec(&range)
                .map_err(|error| Error::internal("parquet/split", format!("a split cannot be written: {error}")))?;
            let rows = groups.iter().skip(usize::try_from(from).unwrap_or(usize::MAX));
            let rows = rows.take(usize::try_from(to - from).unwrap_or(0)).sum();
            Ok(Split { id: part.to_string(), payload, rows: Some(rows) })
        };
        (0..parts).map(split).collect()
    }

    fn open(host: &Host, config: &Config, split: &Split, after: Option<&[u8]>) -> Result<Box<dyn Scan>> {
        let settings = SourceSettings::read(config)?;
        let range: Range = serde_json::from_slice(&split.payload)
            .map_err(|_| Error::config("parquet/split", "this part was planned by another version of the plugin"))?;
        let stored = Stored::named(host, &settings, &range.collection)?;
        Ok(Box::new(ParquetScan::open(stored, &range, &settings, after)?))
    }
}
