/*!
A source that uses every power of the host and tells what it got, for the tests of the runtimes. Not for users.

`discover` does what its settings name (`read`, `query`, `send`, `write`) and returns one collection whose details
say what came back.
*/

use vecferry_sdk::{
    Capability, Claim, Collection, Config, Error, Host, Method, PluginSpec, Request, Result, Scan, SourcePlugin, Split,
    Value,
};

/// The source.
pub struct PowersSource;

vecferry_sdk::export!(source: PowersSource);

type Details = Vec<(String, String)>;

impl SourcePlugin for PowersSource {
    fn spec() -> PluginSpec {
        PluginSpec {
            name: "powers".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: "uses every power".into(),
            config_schema: r#"{"type": "object"}"#.into(),
            schemes: Vec::new(),
            capabilities: vec![Capability::SourceFiles, Capability::Sqlite, Capability::Http, Capability::SinkFiles],
            features: Vec::new(),
        }
    }

    fn detect(host: &Host) -> Result<Vec<Claim>> {
        let files = host.list_files()?.into_iter().map(|file| format!("{} {}", file.name, file.size)).collect();
        Ok(vec![Claim { name: "all".into(), confidence: 1, files }])
    }

    fn discover(host: &Host, config: &Config) -> Result<Vec<Collection>> {
        let text = |key: &str| config[key].as_str();
        let mut details = vec![("cancelled".to_owned(), host.cancelled().to_string())];
        if let Some(name) = text("read") {
            read(host, name, &mut details)?;
        }
        if let Some(name) = text("query") {
            query(host, name, text("sql").unwrap_or_default(), &mut details)?;
        }
        if let Some(url) = text("send") {
            send(host, url, &mut details)?;
        }
        if let Some(name) = text("write") {
            write(host, name, &mut details)?;
        }
        Ok(vec![Collection { name: "all".into(), details, ..Collection::default() }])
    }

    fn plan(_host: &Host, _config: &Config, _collection: &str, _desired: u32) -> Result<Vec<Split>> {
        Ok(Vec::new())
    }

    fn open(_host: &Host, _config: &Config, _split: &Split, _after: Option<&[u8]>) -> Result<Box<dyn Scan>> {
        Err(Error::unsupported("powers/open", "there is nothing to scan"))
    }
}

fn read(host: &Host, name: &str, details: &mut Details) -> Result<()> {
    let file = host.open_file(name)?;
    details.push(("size".into(), file.size().to_string()));
    details.push(("middle".into(), format!("{:?}", file.read_at(1, 3)?)));
    details.push(("end".into(), format!("{:?}", file.read_at(file.size().saturating_sub(1), 100)?)));
    details.push(("beyond".into(), format!("{:?}", file.read_at(u64::MAX, 100)?)));
    Ok(())
}

fn query(host: &Host, name: &str, sql: &str, details: &mut Details) -> Result<()> {
    let database = host.open_sqlite(name)?;
    let params = [Value::Integer(2), Value::Text("ü".into()), Value::Blob(vec![0, 255]), Value::Real(0.5), Value::Null];
    let mut rows = database.query(sql, &params)?;
    details.push(("columns".into(), rows.columns().join(" ")));
    loop {
        let some = rows.next(2)?;
        if some.is_empty() {
            return Ok(());
        }
        details.extend(some.into_iter().map(|row| ("row".to_owned(), format!("{row:?}"))));
    }
}

fn send(host: &Host, url: &str, details: &mut Details) -> Result<()> {
    let answer = host.send(Request {
        method: Method::Post,
        url: url.to_owned(),
        headers: vec![("x-key".into(), "Bearer ${secret:KEY}".into())],
        body: b"question".to_vec(),
        timeout_ms: Some(30_000),
    })?;
    details.push(("status".into(), answer.status.to_string()));
    details.push(("body".into(), String::from_utf8_lossy(&answer.body).into_owned()));
    details.extend(answer.headers.into_iter().filter(|(name, _)| name.starts_with("x-")));
    Ok(())
}

fn write(host: &Host, name: &str, details: &mut Details) -> Result<()> {
    let mut output = host.create_output(name)?;
    output.write(b"hello, ")?;
    output.write(b"world")?;
    details.push(("synced".into(), output.sync()?.to_string()));
    details.push(("read back".into(), String::from_utf8_lossy(&output.read_at(7, 100)?).into_owned()));
    output.commit()
}
