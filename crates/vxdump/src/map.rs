//! `vxdump map`: the address map, or who owns each address.

use std::fmt::Write as _;
use std::net::IpAddr;

use clap::Args;
use podmap::PodMap;
use vxcli::args::MapArgs;
use vxcli::{Failure, Terminal};

use crate::input::following::Following;
use crate::out::csv;
use crate::out::format::Format;
use crate::out::json;
use crate::out::output::Output;
use crate::out::put;

/// `vxdump map`.
#[derive(Args, Debug)]
pub(crate) struct MapCommand {
    /// Addresses to look up. Without any, the whole map is printed.
    #[arg(value_name = "ADDRESS")]
    pub(crate) addresses: Vec<String>,

    /// How to print.
    #[arg(long, value_enum, default_value_t = Format::Text, help_heading = "Output")]
    pub(crate) format: Format,

    #[command(flatten)]
    pub(crate) map: MapArgs,
}

pub(crate) fn run(command: &MapCommand, terminal: &mut Terminal) -> Result<(), Failure> {
    let map = Following::once(&command.map, terminal)?;
    if map.is_empty() && command.addresses.is_empty() {
        return Err(Failure::usage(
            "there is no map to print: give one with --map FILE, --pod-cidr NODE=CIDR …",
        ));
    }
    let addresses: Vec<IpAddr> = command
        .addresses
        .iter()
        .map(|text| {
            text.parse().map_err(|_| Failure::usage(format_args!("{text} is not an IP address")))
        })
        .collect::<Result<_, _>>()?;
    let mut output = Output::new(&mut *terminal.out, false);
    if addresses.is_empty() {
        rows(output.buffer(), &map, command.format);
    } else {
        owners(output.buffer(), &map, command.format, &addresses);
    }
    output.flush()
}

fn owners(out: &mut Vec<u8>, map: &PodMap, format: Format, addresses: &[IpAddr]) {
    if format == Format::Csv {
        put::text(out, "address,kind,cidr,node,label\n");
    }
    for &address in addresses {
        let owner = map.owner(address);
        match format {
            Format::Text => {
                put::address(out, address);
                out.push(b' ');
                put::text(out, owner.label());
                if let Some(cidr) = owner.cidr() {
                    put::text(out, &format!(" ({} {cidr})", owner.kind().as_str()));
                }
            }
            Format::Json => {
                put::text(out, "{\"address\":\"");
                put::address(out, address);
                put::text(out, "\",\"owner\":");
                json::owner(out, owner);
                out.push(b'}');
            }
            Format::Csv => {
                put::address(out, address);
                let cidr = owner.cidr().map(|c| c.to_string()).unwrap_or_default();
                for value in
                    [owner.kind().as_str(), &cidr, owner.node().unwrap_or_default(), owner.label()]
                {
                    out.push(b',');
                    csv::field(out, value);
                }
            }
        }
        out.push(b'\n');
    }
}

/// The columns of the map in JSON and CSV, and what they are, as the manual page says it.
pub(crate) const COLUMNS: [(&str, &str); 5] = [
    ("cidr", "an address, or a range of addresses"),
    ("kind", "pod, service, node, vtep, or carrier: the outer address of a node's tunnels"),
    ("node", "the node"),
    ("label", "the name, as in the second part of a line; of a carrier, its addresses and VNI"),
    ("source", "where the map has it from"),
];

fn rows(out: &mut Vec<u8>, map: &PodMap, format: Format) {
    let mut table: Vec<[String; 5]> = Vec::new();
    for row in map.rows() {
        // a single address is written as one
        let cidr =
            if row.cidr.is_host() { row.cidr.address().to_string() } else { row.cidr.to_string() };
        let cells = [
            cidr,
            row.kind.as_str().into(),
            row.node.unwrap_or("-").into(),
            row.label.into(),
            row.source.into(),
        ];
        table.push(cells);
    }
    for vtep in map.vteps() {
        let record = vtep.record;
        let mut what = Vec::new();
        if let Some(address) = record.underlay {
            what.push(format!("at {address}"));
        }
        if let Some(mac) = record.mac {
            what.push(format!("mac {}", vxlan::MacAddr(mac)));
        }
        if let Some(vni) = record.vni {
            what.push(format!("vni {vni}"));
        }
        table.push([
            "-".into(),
            "carrier".into(),
            vtep.node.into(),
            what.join(" "),
            vtep.source.into(),
        ]);
    }
    match format {
        Format::Text => aligned(out, &table),
        Format::Json => {
            for cells in &table {
                for (at, ((key, _), value)) in COLUMNS.iter().zip(cells).enumerate() {
                    out.push(if at == 0 { b'{' } else { b',' });
                    json::string(out, key);
                    out.push(b':');
                    json::string(out, value);
                }
                put::text(out, "}\n");
            }
        }
        Format::Csv => {
            put::text(out, &COLUMNS.map(|(name, _)| name).join(","));
            out.push(b'\n');
            for cells in &table {
                for (at, value) in cells.iter().enumerate() {
                    if at > 0 {
                        out.push(b',');
                    }
                    csv::field(out, value);
                }
                out.push(b'\n');
            }
        }
    }
}

/// Columns as wide as their widest cell.
fn aligned(out: &mut Vec<u8>, table: &[[String; 5]]) {
    let mut widths = [0; 5];
    for cells in table {
        for (width, cell) in widths.iter_mut().zip(cells) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for cells in table {
        let mut line = String::new();
        for (width, cell) in widths.iter().zip(cells) {
            let _ = write!(line, "{cell:<width$}  ");
        }
        put::text(out, line.trim_end());
        out.push(b'\n');
    }
}
