/*! Tables as the database knows them: finding, making, completing and indexing them. */

use vecferry_sdk::{Config, Error, Host, Metric, Result, Target};

use crate::connection::Session;
use crate::note::{Note, model};
use crate::settings::{Columns, IndexKind, Settings, VectorType, quoted};
use crate::values::SPARSE_DIMENSION;

/// A table that can hold a collection.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    /// With its schema, as SQL takes it.
    pub(crate) name: String,
    pub(crate) columns: Columns,
    pub(crate) oid: u32,
    /// The type of its vectors, and their dimension where it is declared; `None` where it has no such column.
    pub(crate) vector: Option<(VectorType, Option<u32>)>,
    /// Whether it has the column of sparse vectors.
    pub(crate) sparse: bool,
    pub(crate) indexes: Vec<Index>,
    comment: Option<String>,
    note: Option<Note>,
}

/// An index over the vectors.
#[derive(Clone, Debug)]
pub(crate) struct Index {
    pub(crate) kind: IndexKind,
    pub(crate) metric: Metric,
    /// Of an IVFFlat index.
    pub(crate) lists: Option<u32>,
}

impl Table {
    /// The table of this name; `None` where there is none.
    ///
    /// # Errors
    /// `config` (`pgvector/table`): a table that cannot hold records; it says which column is missing or of a wrong type.
    pub(crate) fn find(session: &mut Session, table: &str, columns: &Columns) -> Result<Option<Table>> {
        let sql = "SELECT c.oid, c.relkind::text, obj_description(c.oid, 'pg_class') FROM pg_class c \
                   JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2";
        let rows = session.client.query(sql, &[&session.schema, &table]).map_err(|e| session.fault(LOOK, &e))?;
        let Some(row) = rows.first() else { return Ok(None) };
        let at = |e: postgres::Error| session.fault(LOOK, &e);
        let (oid, kind, comment): (u32, String, Option<String>) =
            (row.try_get(0).map_err(at)?, row.try_get(1).map_err(at)?, row.try_get(2).map_err(at)?);
        let name = session.table_name(table);
        if !["r", "p"].contains(&kind.as_str()) {
            return Err(unfit(&name, "it is no table"));
        }
        let note = comment.as_deref().and_then(Note::read);
        let columns = columns.clone();
        let mut found = Table { name, columns, oid, vector: None, sparse: false, indexes: Vec::new(), comment, note };
        found.read_columns(session)?;
        found.check_key(session)?;
        found.read_indexes(session)?;
        Ok(Some(found))
    }

    fn read_columns(&mut self, session: &mut Session) -> Result<()> {
        let sql = "SELECT a.attname::text, t.typname::text, a.atttypmod FROM pg_attribute a \
                   JOIN pg_type t ON t.oid = a.atttypid WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped";
        let rows = session.client.query(sql, &[&self.oid]).map_err(|e| session.fault(LOOK, &e))?;
        let mut types = Vec::with_capacity(rows.len());
        for row in rows {
            let column = || Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?));
            let column: (String, String, i32) = column().map_err(|e| session.fault(LOOK, &e))?;
            types.push(column);
        }
        let column =
            |name: &str| types.iter().find(|(column, _, _)| column == name).map(|(_, kind, mode)| (kind, *mode));
        let texts: &[&str] = &["text", "varchar"];
        for (name, setting, takes) in [
            (&self.columns.id, "id_column", texts),
            (&self.columns.document, "document_column", texts),
            (&self.columns.metadata, "metadata_column", &["jsonb"]),
        ] {
            let fault = match column(name) {
                Some((kind, _)) if takes.contains(&kind.as_str()) => continue,
                Some((kind, _)) => format!("its column '{name}' is of type {kind}, expected {}", takes.join(" or ")),
                None => format!("it has no column '{name}'"),
            };
            let fault = unfit(&self.name, &fault);
            return Err(fault.hint(format!("name another table or column: --set sink.{setting}=NAME")));
        }
        self.vector = match column(&self.columns.vector) {
            None => None,
            Some((kind, mode)) => match VectorType::named(kind) {
                // The modifier is the dimension, -1 where none is declared (`vector_typmod_in`).
                Some(kind) => Some((kind, u32::try_from(mode).ok())),
                None => {
                    let fault =
                        format!("its column '{}' is of type {kind}, expected vector or halfvec", self.columns.vector);
                    return Err(unfit(&self.name, &fault).hint("name another column: --set sink.vector_column=NAME"));
                }
            },
        };
        self.sparse = column(&self.columns.sparse).is_some_and(|(kind, _)| kind == "sparsevec");
        Ok(())
    }

    /// Upserts need to know when two ids are one.
    fn check_key(&self, session: &mut Session) -> Result<()> {
        let sql = "SELECT EXISTS (SELECT 1 FROM pg_index i \
                   JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] \
                   WHERE i.indrelid = $1 AND a.attname = $2 AND i.indisunique AND i.indisvalid AND i.indimmediate \
                   AND i.indnkeyatts = 1 AND i.indpred IS NULL)";
        if session.one::<bool>(sql, &[&self.oid, &self.columns.id])? {
            return Ok(());
        }
        let id = &self.columns.id;
        let fault = unfit(&self.name, &format!("its column '{id}' is no primary key and has no unique index"));
        Err(fault.hint(format!("ALTER TABLE {} ADD UNIQUE ({}) makes one", self.name, quoted(id))))
    }

    fn read_indexes(&mut self, session: &mut Session) -> Result<()> {
        let sql = "SELECT m.amname::text, o.opcname::text, array_to_string(x.reloptions, ',') FROM pg_index i \
                   JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_am m ON m.oid = x.relam \
                   JOIN pg_opclass o ON o.oid = i.indclass[0] \
                   JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] \
                   WHERE i.indrelid = $1 AND a.attname = $2 AND i.indisvalid";
        let rows =
            session.client.query(sql, &[&self.oid, &self.columns.vector]).map_err(|e| session.fault(LOOK, &e))?;
        for row in rows {
            let index = || Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?));
            let (kind, operators, options): (String, String, Option<String>) =
                index().map_err(|e| session.fault(LOOK, &e))?;
            let Some(kind) = IndexKind::named(&kind) else { continue };
            let metric = [("_l2_ops", Metric::L2), ("_ip_ops", Metric::Dot), ("_cosine_ops", Metric::Cosine)]
                .into_iter()
                .find_map(|(suffix, metric)| operators.ends_with(suffix).then_some(metric));
            let options = options.unwrap_or_default();
            let lists = options.split(',').find_map(|option| option.strip_prefix("lists="));
            self.indexes.push(Index {
                kind,
                metric: metric.unwrap_or_default(),
                lists: lists.and_then(|lists| lists.parse().ok()),
            });
        }
        Ok(())
    }

    /// How its vectors are compared: what was noted, else what an index says.
    pub(crate) fn metric(&self) -> Metric {
        let noted = self.note.iter().map(|note| note.metric);
        noted
            .chain(self.indexes.iter().map(|index| index.metric))
            .find(|metric| *metric != Metric::Unknown)
            .unwrap_or_default()
    }

    /// Declared values per vector.
    pub(crate) fn dimension(&self) -> Option<u32> {
        self.vector.and_then(|(_, dimension)| dimension)
    }

    /// Stops where the target asks for something else than the table is.
    ///
    /// # Errors
    /// `config` (`target/mismatch`), naming both.
    pub(crate) fn agree(&self, target: &Target) -> Result<()> {
        let differs = |what: &str, has: &str, wants: &str| {
            let message = format!("the table {} has {what} {has}, the run asks for {wants}", self.name);
            Err(Error::config("target/mismatch", message)
                .hint("write into another table (--namespace, or --set sink.table=NAME)")
                .at("collection", &target.collection))
        };
        if let Some(note) = self.note.as_ref().filter(|note| note.collection != target.collection) {
            return differs("the collection", &format!("'{}'", note.collection), &format!("'{}'", target.collection));
        }
        if let (Some(has), Some(wants)) = (self.dimension(), target.dimension)
            && has != wants
        {
            return differs("dimension", &has.to_string(), &wants.to_string());
        }
        let (has, wants) = (self.metric(), target.metric);
        if has != wants && has != Metric::Unknown && wants != Metric::Unknown {
            return differs("metric", has.as_str(), wants.as_str());
        }
        Ok(())
    }

    /// Stops where another model made the vectors that are there.
    pub(crate) fn agree_model(&self, session: &mut Session, embedding: Option<&Config>) -> Result<()> {
        if let (Some(has), Some(wants)) = (self.note.as_ref().and_then(Note::model), embedding.and_then(model))
            && has != wants
            && self.count(session)? > 0
        {
            let message = format!(
                "the vectors of the table {} were made by the model {has}, this run's by {wants}; they cannot be compared",
                self.name
            );
            return Err(Error::config("target/other-model", message)
                .hint("write into another table (--namespace), or embed with the same model (--embed)"));
        }
        Ok(())
    }

    /// Records.
    pub(crate) fn count(&self, session: &mut Session) -> Result<u64> {
        let count: i64 = session.one(&format!("SELECT count(*) FROM {}", self.name), &[])?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// Adds the column of vectors where it is missing and the target has some, and notes what is new.
    pub(crate) fn complete(
        &self,
        powers: &Host,
        session: &mut Session,
        settings: &Settings,
        target: &Target,
    ) -> Result<()> {
        if let (None, Some(dimension)) = (self.vector, target.dimension) {
            let (column, kind) = (quoted(&self.columns.vector), settings.vector_type.as_str());
            let sql = format!("ALTER TABLE {} ADD COLUMN IF NOT EXISTS {column} {kind}({dimension})", self.name);
            session.run(&sql, "add a column for vectors")?;
        }
        let wanted = settings.index.map(|index| index.as_str().to_owned());
        let mut note = self.note.clone().unwrap_or_default();
        if self.note.is_none() {
            if wanted.is_none() {
                return Ok(());
            }
            if self.comment.is_some() {
                powers.warn(&format!("the table {} has a comment of its own, so no index will be built", self.name));
                return Ok(());
            }
            note.collection.clone_from(&target.collection);
        }
        if note.metric == Metric::Unknown {
            note.metric = if self.metric() == Metric::Unknown { target.metric } else { self.metric() };
        }
        note.index = wanted.or(note.index);
        note.embedding = settings.embedding.clone().or(note.embedding);
        if self.note.as_ref() == Some(&note) {
            return Ok(());
        }
        session.run(&comment(&self.name, &note), "note what the table holds")
    }

    /// Makes a table.
    pub(crate) fn create(session: &mut Session, name: &str, settings: &Settings, target: &Target) -> Result<()> {
        let columns = &settings.columns;
        let name = session.table_name(name);
        let vector = target.dimension.map_or_else(String::new, |dimension| {
            format!(", {} {}({dimension})", quoted(&columns.vector), settings.vector_type.as_str())
        });
        let note = Note {
            collection: target.collection.clone(),
            metric: target.metric,
            index: settings.index.map(|index| index.as_str().to_owned()),
            embedding: settings.embedding.clone(),
        };
        let sql = format!(
            "BEGIN; CREATE TABLE {name} ({} text PRIMARY KEY, {} text, {} jsonb NOT NULL DEFAULT '{{}}'{vector}); {}; COMMIT",
            quoted(&columns.id),
            quoted(&columns.document),
            quoted(&columns.metadata),
            comment(&name, &note)
        );
        let made = session.run(&sql, &format!("make the table {name}"));
        if made.is_err() {
            // Ends the transaction that failed; the error is told already.
            let _ = session.client.batch_execute("ROLLBACK");
        }
        made
    }

    /// Adds the column of sparse vectors.
    pub(crate) fn add_sparse(&self, session: &mut Session) -> Result<()> {
        let column = quoted(&self.columns.sparse);
        let sql = format!("ALTER TABLE {} ADD COLUMN IF NOT EXISTS {column} sparsevec({SPARSE_DIMENSION})", self.name);
        session.run(&sql, "add a column for sparse vectors")
    }

    /// Builds the index that is noted, where it is not there.
    fn build_index(&self, session: &mut Session, kind: IndexKind) -> Result<()> {
        let Some((vector, Some(_))) = self.vector else { return Ok(()) };
        if self.indexes.iter().any(|index| index.kind == kind) {
            return Ok(());
        }
        let operators = match self.metric() {
            Metric::L2 => "l2",
            Metric::Dot => "ip",
            Metric::Cosine | Metric::Unknown => "cosine",
        };
        let options = match kind {
            IndexKind::Hnsw => String::new(),
            // As pgvector's README advises.
            IndexKind::Ivfflat => {
                let rows = self.count(session)?;
                let lists = if rows > 1_000_000 { rows.isqrt() } else { (rows / 1_000).max(1) };
                format!(" WITH (lists = {})", lists.min(32_768))
            }
        };
        let sql = format!(
            "CREATE INDEX ON {} USING {} ({} {}_{operators}_ops){options}",
            self.name,
            kind.as_str(),
            quoted(&self.columns.vector),
            vector.as_str()
        );
        session.run(&sql, &format!("build the {} index of {}", kind.as_str(), self.name))
    }
}

/// Builds the indexes that are noted of the schema's tables and are not there yet.
pub(crate) fn build_indexes(session: &mut Session, settings: &Settings) -> Result<()> {
    let Some(kind) = settings.index else { return Ok(()) };
    let sql = "SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
               WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') AND obj_description(c.oid, 'pg_class') LIKE '{\"vecferry\"%'";
    let rows = session.client.query(sql, &[&session.schema]).map_err(|e| session.fault(LOOK, &e))?;
    for row in rows {
        let name: String = row.try_get(0).map_err(|e| session.fault(LOOK, &e))?;
        let table = match Table::find(session, &name, &settings.columns) {
            Ok(Some(table)) => table,
            // Dropped since; or made by a run with other names of columns.
            Ok(None) => continue,
            Err(error) if error.code == "pgvector/table" => continue,
            Err(error) => return Err(error),
        };
        if table.note.as_ref().and_then(|note| note.index.as_deref()) == Some(kind.as_str()) {
            table.build_index(session, kind)?;
        }
    }
    Ok(())
}

const LOOK: &str = "look for the table";

fn unfit(name: &str, why: &str) -> Error {
    Error::config("pgvector/table", format!("the table {name} cannot hold records: {why}"))
}

fn comment(table: &str, note: &Note) -> String {
    // With standard_conforming_strings, which is on unless someone turns it off, only quotes need care; E'' is the
    // same either way.
    let text = note.comment().replace('\\', "\\\\").replace('\'', "''");
    format!("COMMENT ON TABLE {table} IS E'{text}'")
}
