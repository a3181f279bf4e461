//! Blocks that are written before the first packet of each section.

use std::rc::Rc;

use vxcap::file::ByteOrder;

/// Blocks that are written before the first packet of each section, in both byte orders.
#[derive(Clone, Debug)]
pub(crate) struct Preface(Rc<[(ByteOrder, Vec<u8>); 2]>);

impl Preface {
    /// The blocks that `make` makes for each byte order.
    pub(crate) fn new(make: impl FnMut(ByteOrder) -> Vec<u8>) -> Self {
        let mut make = make;
        Self(Rc::new([ByteOrder::Little, ByteOrder::Big].map(|order| (order, make(order)))))
    }

    /// The blocks in this byte order.
    pub(crate) fn in_order(&self, order: ByteOrder) -> &[u8] {
        let found = self.0.iter().find(|(known, _)| *known == order);
        found.map_or(&[], |(_, blocks)| blocks)
    }
}
