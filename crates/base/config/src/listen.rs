//! The setting `rtc.listen`: a list of tables in a file, a short form elsewhere.

use std::net::IpAddr;

use plenum_params::transport::{Address, ListenInfo};
use toml::{Table, Value};

use crate::setting::Setting;

impl Setting for Vec<ListenInfo> {
    const EXPECTED: &'static str = "tables with ip and, if need be, announced, udp, tcp, expose_internal; as text \"10.0.0.5@203.0.113.7 ::/udp\"";

    /// Entries apart by white space or commas: the address to bind, `@` and what is announced, `/udp` or `/tcp` for one of
    /// them alone.
    fn from_text(text: &str) -> Option<Self> {
        let entries = text.split(|c: char| c == ',' || c.is_whitespace());
        entries
            .filter(|entry| !entry.is_empty())
            .map(entry_from_text)
            .collect()
    }

    fn from_toml(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => Self::from_text(text),
            value => value.as_array()?.iter().map(entry_from_toml).collect(),
        }
    }

    fn to_toml(&self) -> Option<Value> {
        let tables = self.iter().map(|info| Value::Table(entry_to_toml(info)));
        (!self.is_empty()).then(|| Value::Array(tables.collect()))
    }
}

fn entry_from_text(text: &str) -> Option<ListenInfo> {
    let (text, protocol) = match text.split_once('/') {
        Some((text, protocol)) => (text, Some(protocol)),
        None => (text, None),
    };
    let (ip, announced) = match text.split_once('@') {
        Some((ip, announced)) => (ip, Some(announced)),
        None => (text, None),
    };
    let (udp, tcp) = match protocol {
        None => (true, true),
        Some("udp") => (true, false),
        Some("tcp") => (false, true),
        Some(_) => return None,
    };
    let announced = match announced {
        Some(announced) => vec![Address::from_text(announced)?],
        None => Vec::new(),
    };
    Some(ListenInfo {
        announced,
        udp,
        tcp,
        ..ListenInfo::new(IpAddr::from_text(ip)?)
    })
}

fn entry_from_toml(value: &Value) -> Option<ListenInfo> {
    let table = value.as_table()?;
    let mut info = ListenInfo::new(IpAddr::from_toml(table.get("ip")?)?);
    for (name, value) in table {
        match name.as_str() {
            "ip" => {}
            "announced" => {
                info.announced = match value {
                    Value::Array(list) => {
                        list.iter().map(Address::from_toml).collect::<Option<_>>()?
                    }
                    one => vec![Address::from_toml(one)?],
                }
            }
            "expose_internal" => info.expose_internal = value.as_bool()?,
            "tcp" => info.tcp = value.as_bool()?,
            "udp" => info.udp = value.as_bool()?,
            _ => return None,
        }
    }
    Some(info)
}

fn entry_to_toml(info: &ListenInfo) -> Table {
    let mut table = Table::new();
    table.insert("ip".into(), Value::String(info.ip.to_string()));
    let text = |address: &Address| Value::String(address.to_string());
    match info.announced.as_slice() {
        [] => {}
        [one] => {
            table.insert("announced".into(), text(one));
        }
        several => {
            table.insert(
                "announced".into(),
                Value::Array(several.iter().map(text).collect()),
            );
        }
    }
    let plain = ListenInfo::new(info.ip);
    for (name, value, usual) in [
        (
            "expose_internal",
            info.expose_internal,
            plain.expose_internal,
        ),
        ("tcp", info.tcp, plain.tcp),
        ("udp", info.udp, plain.udp),
    ] {
        if value != usual {
            table.insert(name.into(), Value::Boolean(value));
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(listen: &Vec<ListenInfo>) -> Option<String> {
        listen.to_toml().map(|value| value.to_string())
    }

    #[test]
    fn the_short_form_says_the_same_as_tables() {
        let text = "10.0.0.5@203.0.113.7, ::/udp  192.0.2.1@media.example.org/tcp";
        let listen = Vec::<ListenInfo>::from_text(text).expect("well-formed");
        let shown = shown(&listen).expect("not empty");
        assert_eq!(
            shown,
            "[{ announced = \"203.0.113.7\", ip = \"10.0.0.5\" }, { ip = \"::\", tcp = false }, { announced = \"media.example.org\", ip = \"192.0.2.1\", udp = false }]"
        );
        let table: Table = format!("listen = {shown}").parse().expect("TOML");
        assert_eq!(Vec::<ListenInfo>::from_toml(&table["listen"]), Some(listen));
        assert_eq!(Vec::<ListenInfo>::from_text(""), Some(Vec::new()));
        assert_eq!(self::shown(&Vec::new()), None);
    }

    #[test]
    fn what_is_wrong_is_refused() {
        for text in ["1.2.3", "::@", "::/sctp", "media.example.org", "::@a.local"] {
            assert_eq!(Vec::<ListenInfo>::from_text(text), None, "{text}");
        }
        for text in [
            "listen = 7",
            "listen = [7]",
            "listen = [{ announced = \"192.0.2.1\" }]",
            "listen = [{ ip = \"::\", port = 7 }]",
            "listen = [{ ip = \"::\", tcp = 1 }]",
            "listen = [{ ip = \"::\", announced = [1] }]",
        ] {
            let table: Table = text.parse().expect("TOML");
            assert_eq!(
                Vec::<ListenInfo>::from_toml(&table["listen"]),
                None,
                "{text}"
            );
        }
    }
}
