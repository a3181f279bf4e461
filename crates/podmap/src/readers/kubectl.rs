//! What kubectl prints: objects, lists of objects, and which reader each kind has.

use super::tree::Spot;
use super::{Sink, cni, node, workload};
use crate::error::Fault;

/// Reads one document: an object, a list of objects as kubectl prints it, or a bare JSON list.
pub(super) fn document(sink: &mut Sink<'_>, top: Spot<'_>) -> Result<(), Fault> {
    if top.is_null() {
        // what stands between two `---` of a YAML file may be nothing
        return Ok(());
    }
    if top.is_list() {
        return top.items(&mut |item| object(sink, &item, None));
    }
    object(sink, &top, None)
}

/// The kind of an object and the API group it belongs to.
#[derive(Clone, Copy)]
struct Type<'s> {
    /// The group of `apiVersion`: empty for the core group, as in `v1`.
    group: &'s str,
    kind: &'s str,
}

/// Reads an object. In a typed list (`NodeList`, as the API server itself answers), the items do
/// not say what they are: `of_list` does.
fn object(sink: &mut Sink<'_>, object: &Spot<'_>, of_list: Option<Type<'_>>) -> Result<(), Fault> {
    let version = object.text_at("apiVersion")?.or_else(|| of_list.is_none().then_some(""));
    let group = match (version, of_list) {
        (Some(version), _) => version.split_once('/').map_or("", |(group, _)| group),
        (None, of_list) => of_list.map_or("", |of_list| of_list.group),
    };
    let kind = match (object.text_at("kind")?, of_list) {
        (Some(kind), _) => kind,
        (None, Some(of_list)) => of_list.kind,
        (None, None) if object.key("items")?.is_some() => "List",
        (None, None) => return Err(object.lacks("kind")),
    };

    if let Some(of) = kind.strip_suffix("List") {
        let of_list = (!of.is_empty()).then_some(Type { group, kind: of });
        return object.list("items", |item| self::object(sink, &item, of_list));
    }
    match (group, kind) {
        ("", "Node") => node::node(sink, object),
        ("", "Pod") => workload::pod(sink, object),
        ("", "Service") => workload::service(sink, object),
        ("", "Endpoints") => workload::endpoints(sink, object),
        ("discovery.k8s.io", "EndpointSlice") => workload::endpoint_slice(sink, object),
        ("networking.k8s.io", "ServiceCIDR") => workload::service_cidr(sink, object),
        ("crd.projectcalico.org" | "projectcalico.org", _) => match kind {
            "IPAMBlock" => cni::ipam_block(sink, object),
            "BlockAffinity" => cni::block_affinity(sink, object),
            "IPPool" => cni::ip_pool(sink, object),
            "Node" => cni::calico_node(sink, object),
            _ => pass_over(sink, kind),
        },
        ("cilium.io", "CiliumNode") => cni::cilium_node(sink, object),
        _ => pass_over(sink, kind),
    }
}

#[expect(clippy::unnecessary_wraps, reason = "stands among readers, which can fail")]
fn pass_over(sink: &mut Sink<'_>, kind: &str) -> Result<(), Fault> {
    sink.pass_over(kind);
    Ok(())
}
