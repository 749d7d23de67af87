/*!
A plugin for the tests: a source over `.rows` files (a line is a record `id values…`), and a sink that keeps its records
in memory and writes them to one file. `--set do=…` makes it use a power, or misbehave.
*/
#![allow(missing_docs, clippy::panic)]

use std::cell::RefCell;
use std::collections::BTreeMap;

use vecferry_sdk::{
    Batch, Capability, Change, Claim, Collection, Config, Dense, Error, Hit, Host, IdOrigin, Level, Limits, Method,
    Metric, Page, PluginSpec, PrepareMode, Receipt, Rejection, Request, Result, Scan, SinkPlugin, SourcePlugin, Split,
    Target, Unreadable, Value, Writer,
};

vecferry_sdk::export!(source: Sample, sink: Sample);

struct Sample;

fn spec() -> PluginSpec {
    PluginSpec {
        name: "sample".into(),
        version: "1.2.3".into(),
        summary: "For tests".into(),
        config_schema: "{}".into(),
        schemes: vec![],
        capabilities: vec![Capability::SourceFiles, Capability::Sqlite, Capability::Http],
        features: vec!["reads".into()],
    }
}

thread_local! {
    /// What a careless plugin keeps of a host.
    static KEPT: RefCell<Option<Host>> = const { RefCell::new(None) };
}

/// Uses a power; what came of it, as pairs.
fn act(host: &Host, what: &str) -> Result<Vec<(String, String)>> {
    let mut out = Vec::new();
    match what {
        "" => {}
        "files" => {
            for entry in host.list_files()? {
                let file = host.open_file(&entry.name)?;
                let mut bytes = Vec::new();
                while (bytes.len() as u64) < file.size() {
                    bytes.extend(file.read_at(bytes.len() as u64, 3)?);
                }
                assert!(file.read_at(file.size(), 10)?.is_empty());
                out.push((entry.name, String::from_utf8_lossy(&bytes).into_owned()));
            }
        }
        "outside" => drop(host.open_file("../outside")?),
        "sqlite" => {
            let database = host.open_sqlite("db")?;
            let mut rows = database.query("SELECT a, b FROM t WHERE a >= ?1", &[Value::Integer(2)])?;
            out.push(("columns".into(), rows.columns().join(",")));
            loop {
                let step = rows.next(2)?;
                if step.is_empty() {
                    break;
                }
                out.extend(step.into_iter().map(|row| ("row".into(), format!("{row:?}"))));
            }
        }
        "sqlite-write" => drop(host.open_sqlite("db")?.query("DELETE FROM t", &[])?),
        "http" => {
            let (url, body) = ("http://nowhere.example/".into(), vec![0; 1 << 20]);
            host.send(Request { method: Method::Post, url, headers: vec![], body, timeout_ms: None })?;
        }
        "output" => drop(host.create_output("x")?),
        "telemetry" => {
            host.log(Level::Warn, "hello", &[("n", "1".into())]);
            out.push(("enabled".into(), host.log_enabled(Level::Error).to_string()));
            out.push(("cancelled".into(), host.cancelled().to_string()));
        }
        "keep" => KEPT.with(|kept| *kept.borrow_mut() = Some(host.clone())),
        "use-kept" => {
            KEPT.with(|kept| kept.borrow().as_ref().map_or(Ok(vec![]), |host| host.list_files())).map(drop)?
        }
        "error" => {
            return Err(Error::throttled("sample/slow", "slow\x1b[2J down").hint("wait").at("file", "f"))
                .map_err(|error| Error { retry_after_ms: Some(1500), ..error });
        }
        "panic" => panic!("asked to, {} times", 1),
        "panic-with-a-number" => std::panic::panic_any(7_u8),
        "exhaust" => {
            let mut held = Vec::new();
            loop {
                held.push(host.open_file("a.rows")?);
            }
        }
        other => panic!("unknown: {other}"),
    }
    Ok(out)
}

fn asked(config: &Config) -> &str {
    config["do"].as_str().unwrap_or_default()
}

impl SourcePlugin for Sample {
    fn spec() -> PluginSpec {
        spec()
    }

    fn detect(host: &Host) -> Result<Vec<Claim>> {
        let mine = host.list_files()?.into_iter().filter(|entry| entry.name.ends_with(".rows"));
        Ok(mine.map(|entry| Claim { name: entry.name.clone(), confidence: 90, files: vec![entry.name] }).collect())
    }

    fn discover(host: &Host, config: &Config) -> Result<Vec<Collection>> {
        let details = act(host, asked(config))?;
        Ok(vec![Collection {
            name: "only".into(),
            rows: Some(5),
            dimension: Some(2),
            metric: Metric::Dot,
            has_documents: true,
            has_vectors: true,
            id_origin: IdOrigin::Store,
            lossy_vectors: true,
            aside: None,
            fingerprint: "f".into(),
            details,
        }])
    }

    fn plan(_: &Host, config: &Config, collection: &str, desired: u32) -> Result<Vec<Split>> {
        assert_ne!(asked(config), "panic-in-plan");
        Ok(vec![Split { id: format!("{collection}/{desired}"), payload: vec![0, 255], rows: None }])
    }

    fn open(host: &Host, config: &Config, split: &Split, after: Option<&[u8]>) -> Result<Box<dyn Scan>> {
        assert_eq!(split.payload, [0, 255]);
        let file = host.open_file("a.rows")?;
        let text = String::from_utf8_lossy(&file.read_at(0, 1 << 20)?).into_owned();
        let next = after.map_or(0, |cursor| usize::from(cursor[0]));
        Ok(Box::new(Lines { lines: text.lines().map(str::to_owned).collect(), next, fault: asked(config).to_owned() }))
    }
}

struct Lines {
    lines: Vec<String>,
    next: usize,
    fault: String,
}

impl Scan for Lines {
    fn next(&mut self, max_rows: u32, _: u64) -> Result<Option<Page>> {
        let lines = self.lines.get(self.next..).unwrap_or_default();
        if lines.is_empty() {
            return Ok(None);
        }
        let lines = &lines[..lines.len().min(max_rows as usize)];
        self.next += lines.len();
        let mut rows = Batch { documents: Some(vec![]), metadata: Some(vec![]), ..Batch::default() };
        let mut values = Vec::new();
        for line in lines {
            let mut words = line.split(' ');
            rows.ids.push(words.next().unwrap_or_default().to_owned());
            values.extend(words.filter_map(|word| word.parse::<f32>().ok()));
            rows.documents.get_or_insert_default().push(Some(line.clone()));
            rows.metadata.get_or_insert_default().push("{}".into());
        }
        rows.dense.push(Dense::new(2, values));
        match self.fault.as_str() {
            "panic-at-2" if self.next >= 2 => panic!("in the scan"),
            "odd-shape" => rows.ids.push("one too many".into()),
            "too-many" => rows = Batch { ids: vec![String::new(); max_rows as usize + 1], ..Batch::default() },
            "nothing" => rows = Batch::default(),
            _ => {}
        }
        let reason = Error::corrupt("sample/unreadable", "why").at("id", "u");
        Ok(Some(Page {
            rows,
            cursor: vec![u8::try_from(self.next).unwrap_or(u8::MAX)],
            changes: vec![Change { code: "sample/change".into(), records: 3 }],
            unreadable: if self.fault == "nothing" { vec![] } else { vec![Unreadable { id: "u".into(), reason }] },
        }))
    }
}

impl SinkPlugin for Sample {
    fn spec() -> PluginSpec {
        PluginSpec {
            schemes: vec!["sample".into()],
            capabilities: vec![Capability::SinkFiles],
            features: vec!["reads".into(), "writes".into()],
            ..spec()
        }
    }

    fn check(host: &Host, config: &Config) -> Result<()> {
        act(host, asked(config)).map(drop)
    }

    fn prepare(_: &Host, _: &Config, target: &Target, mode: PrepareMode) -> Result<Limits> {
        if mode == PrepareMode::MustExist {
            return Err(Error::not_found("sample/target", format!("there is no {}", target.collection)));
        }
        Ok(Limits { max_rows: target.dimension.unwrap_or(1), max_concurrency: 1, ..Limits::default() })
    }

    fn open(host: &Host, config: &Config, _: &Target) -> Result<Box<dyn Writer>> {
        let location = config["location"].as_str().unwrap_or("out").to_owned();
        Ok(Box::new(Records { host: host.clone(), location, records: BTreeMap::new() }))
    }

    fn finish(host: &Host, _: &Config) -> Result<()> {
        let mut done = host.create_output("finished")?;
        done.commit()
    }
}

struct Records {
    host: Host,
    location: String,
    records: BTreeMap<String, Vec<f32>>,
}

impl Writer for Records {
    fn write(&mut self, batch: &Batch) -> Result<Receipt> {
        let mut receipt = Receipt::default();
        for (row, id) in batch.ids.iter().enumerate() {
            match batch.vectors().and_then(|vectors| vectors.row(row)) {
                Some(vector) => {
                    self.records.insert(id.clone(), vector.to_vec());
                    receipt.accepted += 1;
                }
                None => receipt.rejected.push(Rejection {
                    row: u32::try_from(row).unwrap_or(u32::MAX),
                    reason: Error::config("sample/no-vector", "a record without a vector"),
                }),
            }
        }
        Ok(receipt)
    }

    fn flush(&mut self) -> Result<()> {
        let mut output = self.host.create_output(&self.location)?;
        for (id, vector) in &self.records {
            output.write(format!("{id} {vector:?}\n").as_bytes())?;
        }
        let bytes = output.sync()?;
        assert_eq!(output.read_at(0, u32::MAX)?.len() as u64, bytes);
        output.commit()
    }

    fn count(&mut self) -> Result<u64> {
        Ok(self.records.len() as u64)
    }

    fn fetch(&mut self, ids: &[String]) -> Result<Batch> {
        let found: Vec<(&String, &Vec<f32>)> = ids.iter().filter_map(|id| self.records.get_key_value(id)).collect();
        Ok(Batch {
            ids: found.iter().map(|(id, _)| (*id).clone()).collect(),
            dense: vec![Dense::new(2, found.iter().flat_map(|(_, vector)| vector.iter().copied()).collect())],
            ..Batch::default()
        })
    }

    fn query(&mut self, vectors: &Dense, k: u32) -> Result<Vec<Vec<Hit>>> {
        let vector = vectors.row(0).ok_or_else(|| Error::config("sample/query", "there is no query"))?;
        let dot = |other: &[f32]| vector.iter().zip(other).map(|(a, b)| a * b).sum::<f32>();
        let mut hits: Vec<Hit> =
            self.records.iter().map(|(id, other)| Hit { id: id.clone(), score: dot(other) }).collect();
        hits.sort_by(|a, b| b.score.total_cmp(&a.score));
        hits.truncate(k as usize);
        Ok(vec![hits])
    }
}
