//! Writes tiny databases in `MaxMind`'s format (version 2.0 of its published description), so that none has to be shipped.

use std::net::IpAddr;

use ipnet::IpNet;

pub(super) enum Value {
    Double(f64),
    Languages,
    Long(u64),
    Map(Vec<(&'static str, Self)>),
    Number(u32),
    Short(u16),
    Text(&'static str),
}

/// A database with these networks.
pub(super) fn database(kind: &'static str, networks: &[(&str, Value)]) -> Vec<u8> {
    let mut data = Vec::new();
    let mut tree = vec![[Record::Nothing; 2]];
    for (network, value) in networks {
        let offset = data.len();
        write(&mut data, value);
        insert(&mut tree, network.parse().unwrap(), Record::Data(offset));
    }
    let nodes = u32::try_from(tree.len()).unwrap();
    let mut file = Vec::new();
    for record in tree.iter().flatten() {
        let number = match record {
            Record::Nothing => nodes,
            Record::Node(index) => u32::try_from(*index).unwrap(),
            Record::Data(offset) => nodes + 16 + u32::try_from(*offset).unwrap(),
        };
        file.extend(number.to_be_bytes());
    }
    file.extend([0; 16]);
    file.extend(data);
    file.extend(b"\xab\xcd\xefMaxMind.com");
    let metadata = vec![
        ("binary_format_major_version", Value::Short(2)),
        ("binary_format_minor_version", Value::Short(0)),
        ("build_epoch", Value::Long(1)),
        ("database_type", Value::Text(kind)),
        ("description", Value::Map(Vec::new())),
        ("ip_version", Value::Short(6)),
        ("languages", Value::Languages),
        ("node_count", Value::Number(nodes)),
        ("record_size", Value::Short(32)),
    ];
    write(&mut file, &Value::Map(metadata));
    file
}

#[derive(Clone, Copy)]
enum Record {
    Data(usize),
    Node(usize),
    Nothing,
}

fn insert(tree: &mut Vec<[Record; 2]>, network: IpNet, data: Record) {
    // IPv4 stands at ::/96.
    let (bits, length) = match network.network() {
        IpAddr::V4(address) => (u128::from(address.to_bits()), network.prefix_len() + 96),
        IpAddr::V6(address) => (address.to_bits(), network.prefix_len()),
    };
    let mut node = 0;
    for depth in 0..length {
        let side = usize::from((bits >> (127 - depth)) % 2 == 1);
        if depth + 1 == length {
            tree[node][side] = data;
            return;
        }
        node = if let Record::Node(next) = tree[node][side] {
            next
        } else {
            tree.push([Record::Nothing; 2]);
            tree[node][side] = Record::Node(tree.len() - 1);
            tree.len() - 1
        };
    }
}

fn write(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Text(text) => {
            control(out, 2, text.len());
            out.extend(text.as_bytes());
        }
        Value::Double(number) => {
            control(out, 3, 8);
            out.extend(number.to_be_bytes());
        }
        Value::Short(number) => {
            control(out, 5, 2);
            out.extend(number.to_be_bytes());
        }
        Value::Number(number) => {
            control(out, 6, 4);
            out.extend(number.to_be_bytes());
        }
        // Types beyond seven stand in a byte of their own.
        Value::Languages => out.extend([0, 11 - 7]),
        Value::Long(number) => {
            out.extend([8, 9 - 7]);
            out.extend(number.to_be_bytes());
        }
        Value::Map(entries) => {
            control(out, 7, entries.len());
            for (key, value) in entries {
                write(out, &Value::Text(key));
                write(out, value);
            }
        }
    }
}

/// Type in the upper three bits, size in the lower five; sizes from 29 on have one more byte.
fn control(out: &mut Vec<u8>, kind: u8, size: usize) {
    let size = u8::try_from(size).unwrap();
    if size < 29 {
        out.push(kind * 32 + size);
    } else {
        out.extend([kind * 32 + 29, size - 29]);
    }
}
