//! Where an address is: region, country, provider and place, by the operator's table and by databases.
//!
//! What the table says holds; what it leaves out, databases say, in the order in which they are named. Names of providers
//! that databases give are exchanged for the operator's where the table has one for their number (`asn`), and whose region
//! nobody has said gets the one of its country. A token's word is not asked for here: whoever has one puts it before
//! with [`Location::or`].

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
};

use crate::{Isp, Location};

mod database;
mod table;

pub use database::{Database, DatabaseError};
pub use table::{GeoTable, InvalidLine, TableError};

/// Table and databases together. A clone is cheap: reload a clone, then exchange it for the one in use.
#[derive(Clone, Debug, Default)]
pub struct Locator {
    table: GeoTable,
    databases: Vec<Database>,
}

/// What a reload found.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Reloaded {
    /// Databases that had changed and were read.
    pub read: Vec<PathBuf>,
    /// Those that had changed and could not be read; what they said before still holds.
    pub failed: Vec<DatabaseError>,
}

impl Locator {
    /// By a table alone, which may be empty.
    pub fn new(table: GeoTable) -> Self {
        Self {
            table,
            databases: Vec::new(),
        }
    }

    /// Reads a database and asks it after those that are there already.
    pub fn add_database(&mut self, path: &Path) -> Result<(), DatabaseError> {
        self.databases.push(Database::open(path)?);
        Ok(())
    }

    /// Takes another table.
    pub fn set_table(&mut self, table: GeoTable) {
        self.table = table;
    }

    /// Reads those databases again whose files have changed. A broken file is told of once.
    pub fn reload(&mut self) -> Reloaded {
        let mut reloaded = Reloaded::default();
        for database in &mut self.databases {
            match database.reload() {
                Ok(false) => {}
                Ok(true) => reloaded.read.push(database.path().to_owned()),
                Err(error) => reloaded.failed.push(error),
            }
        }
        reloaded
    }

    /// Where an address is, as far as known.
    pub fn locate(&self, address: IpAddr) -> Location {
        let address = address.to_canonical();
        let mut location = self.table.locate(address);
        for database in &self.databases {
            let (found, asn) = database.locate(address);
            let named = asn.and_then(|asn| self.table.isp_of(asn)).cloned();
            let numbered = || asn.map(|asn| Isp::from(format!("as{asn}")));
            let isp = named.or(found.isp).or_else(numbered);
            location = location.or(&Location { isp, ..found });
        }
        if location.region.is_none() {
            let country = location.country.as_ref();
            let region = country.and_then(|country| self.table.region_of(country));
            location.region = region.cloned();
        }
        location
    }
}

#[cfg(test)]
mod tests;
