//! One database in `MaxMind`'s format, whichever it is: City or Country, ISP or ASN, or an operator's own with their fields.

use std::{
    fmt,
    fs::{self, File},
    io::{self, Read as _},
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use maxminddb::{MaxMindDbError, Reader};
use serde::Deserialize;

use crate::{Coordinates, Country, Isp, Location};

/// A database that was read. A clone shares it.
#[derive(Clone)]
pub struct Database {
    path: PathBuf,
    /// Of the file that was looked at last.
    stamp: Stamp,
    reader: Arc<Reader<Vec<u8>>>,
}

/// A database that cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseError {
    /// It is no database.
    #[error("{} is no MaxMind database", path.display())]
    #[non_exhaustive]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        error: MaxMindDbError,
    },
    /// It cannot be read.
    #[error("cannot read the database {}", path.display())]
    #[non_exhaustive]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        error: io::Error,
    },
    /// It is larger than any that is known.
    #[error("the database {} is larger than {} MB", path.display(), MAX_SIZE / 1_000_000)]
    #[non_exhaustive]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
}

/// The largest database that is published has some 200 MB.
const MAX_SIZE: u64 = 1_000_000_000;

/// What tells one file from the next under its name.
type Stamp = (Option<SystemTime>, u64);

/// Fields of all kinds of databases; each has some of them.
#[derive(Deserialize)]
struct Record<'a> {
    #[serde(borrow)]
    country: Option<CountryRecord<'a>>,
    #[serde(borrow)]
    registered_country: Option<CountryRecord<'a>>,
    location: Option<LocationRecord>,
    isp: Option<&'a str>,
    autonomous_system_number: Option<u32>,
    autonomous_system_organization: Option<&'a str>,
}

#[derive(Deserialize)]
struct CountryRecord<'a> {
    iso_code: Option<&'a str>,
}

#[derive(Deserialize)]
struct LocationRecord {
    latitude: Option<f64>,
    longitude: Option<f64>,
}

impl Database {
    /// Reads a database.
    pub fn open(path: &Path) -> Result<Self, DatabaseError> {
        let stamp = stamp(path)?;
        let reader = read(path)?;
        Ok(Self {
            path: path.to_owned(),
            stamp,
            reader: Arc::new(reader),
        })
    }

    /// One that never was a file.
    #[cfg(test)]
    pub(super) fn from_content(content: Vec<u8>) -> Result<Self, DatabaseError> {
        let path = PathBuf::from("memory");
        let reader = parse(&path, content)?;
        Ok(Self {
            path,
            stamp: (None, 0),
            reader: Arc::new(reader),
        })
    }

    /// Reads it again if its file has changed, and says whether it had. What is broken is passed over until it changes
    /// again.
    pub fn reload(&mut self) -> Result<bool, DatabaseError> {
        let stamp = stamp(&self.path)?;
        if stamp == self.stamp {
            return Ok(false);
        }
        self.stamp = stamp;
        self.reader = Arc::new(read(&self.path)?);
        Ok(true)
    }

    /// Its file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it says of an address: where that is, and the number of its provider. A record that cannot be understood says
    /// nothing.
    pub fn locate(&self, address: IpAddr) -> (Location, Option<u32>) {
        let found = self.reader.lookup(address);
        let record = found.and_then(|found| found.decode::<Record<'_>>());
        let Ok(Some(record)) = record else {
            return (Location::default(), None);
        };
        let asn = record.autonomous_system_number;
        (record.location(), asn)
    }
}

impl Record<'_> {
    fn location(&self) -> Location {
        // Where the address is used comes before where it was given out.
        let countries = [&self.country, &self.registered_country];
        let mut codes = countries.into_iter().flatten();
        let country = codes.find_map(|country| country.iso_code);
        let isp = self.isp.or(self.autonomous_system_organization);
        Location {
            region: None,
            country: country.map(Country::from),
            isp: isp.map(Isp::from),
            coordinates: self.location.as_ref().and_then(LocationRecord::coordinates),
        }
    }
}

impl LocationRecord {
    fn coordinates(&self) -> Option<Coordinates> {
        let coordinates = Coordinates {
            latitude: self.latitude? as f32,
            longitude: self.longitude? as f32,
        };
        let is_on_globe =
            coordinates.latitude.abs() <= 90.0 && coordinates.longitude.abs() <= 180.0;
        is_on_globe.then_some(coordinates)
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = &self.reader.metadata().database_type;
        f.debug_struct("Database")
            .field("path", &self.path)
            .field("kind", kind)
            .finish_non_exhaustive()
    }
}

fn stamp(path: &Path) -> Result<Stamp, DatabaseError> {
    let metadata = fs::metadata(path).map_err(|error| unreadable(path, error))?;
    Ok((metadata.modified().ok(), metadata.len()))
}

fn read(path: &Path) -> Result<Reader<Vec<u8>>, DatabaseError> {
    let mut content = Vec::new();
    let file = File::open(path).map_err(|error| unreadable(path, error))?;
    let read = file.take(MAX_SIZE + 1).read_to_end(&mut content);
    let length = read.map_err(|error| unreadable(path, error))?;
    if length as u64 > MAX_SIZE {
        return Err(DatabaseError::TooLarge {
            path: path.to_owned(),
        });
    }
    parse(path, content)
}

fn parse(path: &Path, content: Vec<u8>) -> Result<Reader<Vec<u8>>, DatabaseError> {
    Reader::from_source(content).map_err(|error| DatabaseError::Content {
        path: path.to_owned(),
        error,
    })
}

fn unreadable(path: &Path, error: io::Error) -> DatabaseError {
    DatabaseError::Read {
        path: path.to_owned(),
        error,
    }
}
