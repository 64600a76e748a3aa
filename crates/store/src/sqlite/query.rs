//! A statement with its values, on a connection.
//!
//! Each connection keeps its statements prepared.

use jiff::Timestamp;
use rusqlite::types::{ToSqlOutput, Value};
use rusqlite::{Connection, Row, params_from_iter};
use uuid::Uuid;
use vestal_core::seal::Sealed;
use vestal_core::store::StoreError;

use super::failure::Failure;

/// How many prepared statements a connection keeps: more than there are.
pub(super) const KEPT_STATEMENTS: usize = 64;

/// One statement and the values of its parameters, in their order.
pub(super) struct Query<'q> {
    sql: &'static str,
    values: Vec<ToSqlOutput<'q>>,
}

pub(super) fn query<'q>(sql: &'static str) -> Query<'q> {
    Query { sql, values: Vec::new() }
}

impl<'q> Query<'q> {
    pub(super) fn bind(mut self, value: impl Bind<'q>) -> Self {
        self.values.push(value.output());
        self
    }

    /// Runs it for what it does. Returns how many rows it changed.
    pub(super) fn execute(self, db: &Connection) -> Result<usize, rusqlite::Error> {
        let mut statement = db.prepare_cached(self.sql)?;
        statement.execute(params_from_iter(self.values))
    }

    /// The one row that it finds, or none.
    pub(super) fn optional<T>(
        self,
        db: &Connection,
        read: impl FnOnce(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, Failure> {
        let mut statement = db.prepare_cached(self.sql)?;
        let mut rows = statement.query(params_from_iter(self.values))?;
        Ok(rows.next()?.map(read).transpose()?)
    }

    /// The number that it finds.
    pub(super) fn count(self, db: &Connection) -> Result<u64, Failure> {
        let mut statement = db.prepare_cached(self.sql)?;
        let count: i64 = statement.query_row(params_from_iter(self.values), |row| row.get(0))?;
        Ok(count.unsigned_abs())
    }

    /// All rows that it finds.
    pub(super) fn all<T>(
        self,
        db: &Connection,
        mut read: impl FnMut(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, Failure> {
        let mut statement = db.prepare_cached(self.sql)?;
        let mut rows = statement.query(params_from_iter(self.values))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(read(row)?);
        }
        Ok(found)
    }
}

/// What can be the value of a parameter.
pub(super) trait Bind<'q> {
    fn output(self) -> ToSqlOutput<'q>;
}

macro_rules! bind_owned {
    ($($value:ty),*) => {$(
        impl<'q> Bind<'q> for $value {
            fn output(self) -> ToSqlOutput<'q> {
                ToSqlOutput::Owned(self.into())
            }
        }
    )*};
}

bind_owned!(i64, u32, String, Value);

impl<'q> Bind<'q> for &'q str {
    fn output(self) -> ToSqlOutput<'q> {
        self.into()
    }
}

impl<'q> Bind<'q> for &'q [u8] {
    fn output(self) -> ToSqlOutput<'q> {
        self.into()
    }
}

/// As its 16 bytes.
impl<'q> Bind<'q> for Uuid {
    fn output(self) -> ToSqlOutput<'q> {
        ToSqlOutput::Owned(Value::Blob(self.as_bytes().to_vec()))
    }
}

/// In whole milliseconds.
impl<'q> Bind<'q> for Timestamp {
    fn output(self) -> ToSqlOutput<'q> {
        ToSqlOutput::Owned(self.as_millisecond().into())
    }
}

impl<'q> Bind<'q> for &'q Sealed {
    fn output(self) -> ToSqlOutput<'q> {
        self.as_bytes().into()
    }
}

impl<'q, T: Bind<'q>> Bind<'q> for Option<T> {
    fn output(self) -> ToSqlOutput<'q> {
        self.map_or(ToSqlOutput::Owned(Value::Null), T::output)
    }
}
