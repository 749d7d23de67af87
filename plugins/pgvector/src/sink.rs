/*! The sink's side towards the host: making a table ready, and telling what it takes. */

use vecferry_sdk::{
    Batch, Config, Error, Host, Limits, PluginSpec, PrepareMode, Receipt, Result, SinkPlugin, Target, Writer,
};

use crate::PgvectorSink;
use crate::catalog::{Table, build_indexes};
use crate::connection::Session;
use crate::fit::{self, Takes};
use crate::settings::{IndexKind, MAX_DIMENSION, SCHEMA, Settings, VectorType};
use crate::writer::TableWriter;

/// Bytes of one write: a transaction that is worth its commit, and little memory.
const MAX_BATCH_BYTES: u64 = 8 << 20;
/// Connections at a time, as a server has few (`max_connections` is 100 if nobody says otherwise).
const MAX_WRITERS: u32 = 4;

impl SinkPlugin for PgvectorSink {
    fn spec() -> PluginSpec {
        PluginSpec {
            name: "pgvector".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: "Tables of PostgreSQL with the extension pgvector".into(),
            config_schema: SCHEMA.into(),
            schemes: vec!["pgvector".into()],
            capabilities: Vec::new(),
            features: vec!["read-back".into(), "reopens".into(), "sparse".into(), "alters".into()],
        }
    }

    fn check(host: &Host, config: &Config) -> Result<()> {
        let settings = Settings::read(config)?;
        let session = Session::connect(host, &settings)?;
        if session.extension.is_none() && !settings.create_extension { Err(no_extension(&session)) } else { Ok(()) }
    }

    fn prepare(host: &Host, config: &Config, target: &Target, mode: PrepareMode) -> Result<Limits> {
        let settings = Settings::read(config)?;
        let name = settings.table(target)?;
        let session = &mut Session::connect(host, &settings)?;
        if session.extension.is_none() {
            if !settings.create_extension || mode == PrepareMode::MustExist {
                return Err(no_extension(session));
            }
            // In the session's own search_path: as if an administrator had typed it.
            session.run("CREATE EXTENSION IF NOT EXISTS vector", "create the extension 'vector'")?;
            session.find_extension()?;
        }
        let table = Table::find(session, &name, &settings.columns)?;
        let kind = table.as_ref().and_then(|table| table.vector).map_or(settings.vector_type, |(kind, _)| kind);
        if let Some(table) = &table {
            table.agree(target)?;
            table.agree_model(session, settings.embedding.as_ref())?;
        }
        let dimension = target.dimension.or_else(|| table.as_ref().and_then(Table::dimension));
        check_dimension(dimension, kind, settings.index)?;
        match (table, mode) {
            (None, PrepareMode::MustExist) => return Err(no_table(session, &name)),
            (None, _) => Table::create(session, &name, &settings, target)?,
            (Some(table), _) => {
                if mode == PrepareMode::MustBeEmpty {
                    let count = table.count(session)?;
                    if count > 0 {
                        let message = format!("the table {} holds {count} records and must be empty", table.name);
                        return Err(Error::config("target/not-empty", message)
                            .hint("write into another table (--namespace, or --set sink.table=NAME)"));
                    }
                }
                table.complete(host, session, &settings, target)?;
            }
        }
        Ok(Limits {
            max_bytes: MAX_BATCH_BYTES,
            max_id_bytes: u32::try_from(fit::MAX_ID).unwrap_or(u32::MAX),
            max_concurrency: MAX_WRITERS,
            ..Limits::default()
        })
    }

    /// As a new table would take it.
    fn rehearse(config: &Config, target: &Target, batch: &Batch) -> Result<Receipt> {
        let settings = Settings::read(config)?;
        settings.table(target)?;
        check_dimension(target.dimension, settings.vector_type, settings.index)?;
        let vector = target.dimension.map(|dimension| (settings.vector_type, Some(dimension)));
        fit::rows(Takes { vector, drop_sparse: settings.drop_sparse }, batch).map(|(_, receipt)| receipt)
    }

    fn open(host: &Host, config: &Config, target: &Target) -> Result<Box<dyn Writer>> {
        let settings = Settings::read(config)?;
        let name = settings.table(target)?;
        let mut session = Session::connect(host, &settings)?;
        if session.extension.is_none() {
            return Err(no_extension(&session));
        }
        let Some(table) = Table::find(&mut session, &name, &settings.columns)? else {
            return Err(no_table(&session, &name));
        };
        table.agree(target)?;
        Ok(Box::new(TableWriter::new(host.clone(), settings, session, table, target)))
    }

    /// Builds the vector indexes that were asked for, over all rows at once.
    fn finish(host: &Host, config: &Config) -> Result<()> {
        let settings = Settings::read(config)?;
        if settings.index.is_none() {
            return Ok(());
        }
        build_indexes(&mut Session::connect(host, &settings)?, &settings)
    }
}

/// Stops before a table is made that cannot hold, or cannot index, the vectors.
fn check_dimension(dimension: Option<u32>, kind: VectorType, index: Option<IndexKind>) -> Result<()> {
    let Some(dimension) = dimension else { return Ok(()) };
    if dimension == 0 {
        return Err(Error::config("target/dimension", "a dimension of 0 is no dimension"));
    }
    if dimension > MAX_DIMENSION {
        let message =
            format!("the vectors have {dimension} dimensions; pgvector holds up to {MAX_DIMENSION} in a column");
        return Err(Error::config("pgvector/dimension", message)
            .hint("choose another destination, or a model of fewer dimensions (--embed)"));
    }
    if let Some(index) = index.filter(|_| dimension > kind.max_indexed()) {
        let message = format!(
            "the vectors have {dimension} dimensions; an {} index takes up to {} of the type {}",
            index.as_str(),
            kind.max_indexed(),
            kind.as_str()
        );
        let hint = if kind == VectorType::Vector && dimension <= VectorType::Halfvec.max_indexed() {
            "--set sink.index=none, or --set sink.type=halfvec for a new table (16 bits of a value's 32)"
        } else {
            "--set sink.index=none: searches then look at every row"
        };
        return Err(Error::config("pgvector/index-dimension", message).hint(hint));
    }
    Ok(())
}

fn no_extension(session: &Session) -> Error {
    Error::not_found("pgvector/no-extension", "the database has no extension 'vector'")
        .hint("--set sink.create_extension=true creates it; its user must be allowed to, and the server have pgvector")
        .at("server", &session.place)
}

fn no_table(session: &Session, name: &str) -> Error {
    Error::not_found("pgvector/no-table", format!("there is no table {}", session.table_name(name)))
        .at("server", &session.place)
}
