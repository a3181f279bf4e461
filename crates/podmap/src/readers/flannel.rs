//! What flannel's VXLAN backend tells other nodes, in annotations and in etcd.

use serde::Deserialize;

use crate::text::parse_mac;

/// The highest VXLAN network identifier: 24 bits (RFC 7348 section 5).
const VNI_MAX: u32 = 0x00ff_ffff;

/// Backend data of the VXLAN backend, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Backend {
    pub(super) vni: Option<u32>,
    pub(super) mac: Option<[u8; 6]>,
}

/// Backend data as flannel writes it (pkg/backend/vxlan/vxlan.go, `vxlanLeaseAttrs`).
#[derive(Debug, Deserialize)]
pub(super) struct BackendData {
    #[serde(rename = "VNI")]
    vni: Option<u32>,
    #[serde(rename = "VtepMAC")]
    vtep_mac: Option<String>,
}

impl BackendData {
    /// Checks what was read.
    pub(super) fn check(&self) -> Result<Backend, String> {
        if let Some(vni) = self.vni.filter(|vni| *vni > VNI_MAX) {
            return Err(format!("VNI {vni} has more than 24 bits"));
        }
        let mac = match &self.vtep_mac {
            Some(mac) => {
                Some(parse_mac(mac).ok_or_else(|| format!("VtepMAC {mac:?} is no MAC address"))?)
            }
            None => None,
        };
        Ok(Backend { vni: self.vni, mac })
    }
}

/// Reads the text of an annotation; `null`, which other backends write, gives nothing.
pub(super) fn backend_data(text: &str) -> Result<Option<Backend>, String> {
    let data: Option<BackendData> =
        serde_json::from_str(text).map_err(|error| error.to_string())?;
    data.map(|data| data.check()).transpose()
}
