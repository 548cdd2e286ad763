use std::{error::Error as _, fs, time::Duration};

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::{Coordinates, Country, Region};

mod mmdb;

use mmdb::{Value, database};

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn words(location: &Location) -> [Option<&str>; 3] {
    [
        location.region.as_ref().map(Region::as_str),
        location.country.as_ref().map(Country::as_str),
        location.isp.as_ref().map(Isp::as_str),
    ]
}

const TABLE: &str = "
# What everybody here has.
0.0.0.0/0       world
10.0.0.0/8      Office      de              # ours
10.7.0.0/16     -           -       DTAG
10.7.7.7        lab
2001:db8::/32   eu-west     FR      free
country  JP     ap-north
country  DE     eu-central
asn      AS3320 dtag
asn      64500  acme
";

#[test]
fn the_longest_prefix_wins_and_leaves_to_shorter_ones_what_it_does_not_say() {
    let table = GeoTable::parse(TABLE).unwrap();
    for (address, expected) in [
        ("192.0.2.1", [Some("world"), None, None]),
        ("10.1.2.3", [Some("office"), Some("DE"), None]),
        ("10.7.1.1", [Some("office"), Some("DE"), Some("dtag")]),
        ("10.7.7.7", [Some("lab"), Some("DE"), Some("dtag")]),
        ("::ffff:10.7.7.7", [Some("lab"), Some("DE"), Some("dtag")]),
        ("2001:db8:7::1", [Some("eu-west"), Some("FR"), Some("free")]),
        ("2001:db9::1", [None, None, None]),
    ] {
        assert_eq!(words(&table.locate(ip(address))), expected, "{address}");
    }
}

#[test]
fn what_is_wrong_with_a_table_is_said_with_its_line() {
    for (line, expected) in [
        (
            "10.0.0.0/33 eu",
            "'10.0.0.0/33' is no prefix (as in 10.0.0.0/8), and neither 'country' nor 'asn'",
        ),
        (
            "10.0.0.1/8 eu",
            "10.0.0.1/8 has bits set behind its length; 10.0.0.0/8 is the prefix that it is in",
        ),
        ("10.0.0.0/8", "expected PREFIX REGION [COUNTRY [ISP]]"),
        (
            "10.0.0.0/8 a DE b c",
            "expected PREFIX REGION [COUNTRY [ISP]]",
        ),
        (
            "10.0.0.0/8 eu Germany",
            "'Germany' is no country: two letters, as in DE",
        ),
        ("10.0.0.0/8 a\n10.0.0.0/8 b", "10.0.0.0/8 was said before"),
        ("country DE", "expected country CODE REGION"),
        ("asn x y", "'x' is no number of an autonomous system"),
        ("asn 1 y\nasn 1 z", "1 was said before"),
    ] {
        let error = GeoTable::parse(&format!("\n{line}")).unwrap_err();
        let last = 1 + line.lines().count();
        assert_eq!(
            error.to_string(),
            format!("line {last} of the table of addresses")
        );
        assert_eq!(error.source().unwrap().to_string(), expected);
    }
    let long = format!("10.0.0.0/8 {}", "x".repeat(65));
    assert!(GeoTable::parse(&long).is_err());
    let endless = "\n".repeat(100_001);
    assert_eq!(GeoTable::parse(&endless).unwrap_err(), TableError::TooLong);
}

proptest! {
    #[test]
    fn a_table_finds_what_looking_at_every_prefix_finds(
        prefixes in vec((0..4_u8, 0..4_u8, 0..=32_u8), 0..20), (a, b, c) in any::<(u8, u8, u8)>(),
    ) {
        let mut nets = Vec::new();
        for (a, b, length) in prefixes {
            let net = ipnet::Ipv4Net::new([a, b, 0, 0].into(), length).unwrap().trunc();
            if !nets.contains(&net) {
                nets.push(net);
            }
        }
        let lines: Vec<String> = nets.iter().map(|net| format!("{net} r{net}")).collect();
        let table = GeoTable::parse(&lines.join("\n")).unwrap();
        let address = std::net::Ipv4Addr::from([a % 4, b % 4, c % 2, 0]);
        let longest = nets.iter().filter(|net| net.contains(&address)).max_by_key(|net| net.prefix_len());
        let expected = longest.map(|net| Region::from(format!("r{net}")));
        prop_assert_eq!(table.locate(address.into()).region, expected);
    }

    #[test]
    fn no_text_is_fatal(text in "([0-9a-f:./# \n-]|country|asn|DE){0,60}") {
        if let Ok(table) = GeoTable::parse(&text) {
            table.locate(ip("10.0.0.1"));
        }
    }

    #[test]
    fn no_file_is_fatal(cut in 0..2000_usize, flips in vec((any::<prop::sample::Index>(), any::<u8>()), 0..8)) {
        let mut content = city();
        content.truncate(content.len().saturating_sub(cut / 4));
        for (index, value) in flips {
            if !content.is_empty() {
                let index = index.index(content.len());
                content[index] = value;
            }
        }
        if let Ok(database) = Database::from_content(content) {
            database.locate(ip("198.51.100.9"));
            database.locate(ip("2001:db8::1"));
        }
    }
}

/// A folder of a test's own, removed behind it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let thread = format!("{:?}", std::thread::current().id());
        let number: String = thread.chars().filter(char::is_ascii_digit).collect();
        let name = format!("plenum-geo-{}-{number}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, content).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn country(code: &'static str) -> Value {
    Value::Map(vec![("iso_code", Value::Text(code))])
}

fn city() -> Vec<u8> {
    let munich = Value::Map(vec![
        ("country", country("DE")),
        (
            "location",
            Value::Map(vec![
                ("latitude", Value::Double(48.1)),
                ("longitude", Value::Double(11.6)),
            ]),
        ),
    ]);
    let tokyo = Value::Map(vec![("registered_country", country("JP"))]);
    database(
        "Test-City",
        &[("198.51.100.0/24", munich), ("2001:db8::/32", tokyo)],
    )
}

fn asn(number: u32) -> Vec<u8> {
    let record = Value::Map(vec![
        ("autonomous_system_number", Value::Number(number)),
        (
            "autonomous_system_organization",
            Value::Text("Deutsche Telekom AG"),
        ),
    ]);
    database("Test-ASN", &[("198.51.100.0/24", record)])
}

#[test]
fn databases_say_what_the_table_does_not() {
    let folder = Folder::new("databases");
    let table = GeoTable::parse(
        "198.51.100.128/25 lan\ncountry DE eu-central\ncountry JP ap-north\nasn 64500 acme",
    );
    let mut locator = Locator::new(table.unwrap());
    locator
        .add_database(&folder.write("city.mmdb", &city()))
        .unwrap();
    locator
        .add_database(&folder.write("asn.mmdb", &asn(3320)))
        .unwrap();

    let location = locator.locate(ip("198.51.100.7"));
    let expected = [Some("eu-central"), Some("DE"), Some("deutsche telekom ag")];
    assert_eq!(words(&location), expected);
    let munich = Coordinates {
        latitude: 48.1,
        longitude: 11.6,
    };
    assert_eq!(location.coordinates, Some(munich));
    assert_eq!(words(&locator.locate(ip("198.51.100.200")))[0], Some("lan"));
    let tokyo = locator.locate(ip("2001:db8::7"));
    assert_eq!(words(&tokyo), [Some("ap-north"), Some("JP"), None]);
    assert!(locator.locate(ip("192.0.2.1")).is_unknown());
}

#[test]
fn a_database_that_changes_is_read_again_and_a_broken_one_is_told_of_once() {
    let folder = Folder::new("reload");
    let mut locator = Locator::new(GeoTable::parse("asn 64500 acme").unwrap());
    let path = folder.write("asn.mmdb", &asn(3320));
    locator.add_database(&path).unwrap();
    let here = ip("198.51.100.7");
    assert!(locator.reload().read.is_empty());

    // A file's time may be too coarse for two writes of one test.
    let mut seconds = 0;
    let mut exchange = |content: &[u8]| {
        fs::write(&path, content).unwrap();
        seconds += 10;
        let file = fs::File::options().write(true).open(&path).unwrap();
        let later = fs::metadata(&path).unwrap().modified().unwrap() + Duration::from_secs(seconds);
        file.set_modified(later).unwrap();
    };
    exchange(&asn(64500));
    assert_eq!(locator.reload().read, std::slice::from_ref(&path));
    assert_eq!(words(&locator.locate(here))[2], Some("acme"));

    exchange(b"<html>404</html>");
    let reloaded = locator.reload();
    assert_eq!(reloaded.failed.len(), 1);
    let error = &reloaded.failed[0];
    assert_eq!(
        error.to_string(),
        format!("{} is no MaxMind database", path.display())
    );
    assert!(error.source().is_some());
    assert!(locator.reload().failed.is_empty());
    assert_eq!(words(&locator.locate(here))[2], Some("acme"));

    exchange(&asn(3320));
    assert_eq!(locator.reload().read.len(), 1);
    fs::remove_file(&path).unwrap();
    let reloaded = locator.reload();
    assert!(
        reloaded.failed[0]
            .to_string()
            .starts_with("cannot read the database")
    );
    assert_eq!(words(&locator.locate(here))[2], Some("deutsche telekom ag"));
}

#[test]
fn a_database_that_is_not_there_is_an_error_with_its_path() {
    let missing = Path::new("/nonexistent/city.mmdb");
    let error = Locator::default().add_database(missing).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot read the database /nonexistent/city.mmdb"
    );
}
