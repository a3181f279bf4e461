//! The frames of a device that are wanted, as one program.

use std::fmt;

use vxlan::{LinkType, Ports, Vni};

use super::assembler::build;
use super::cooked::cooked;
use super::inner::{Inner, put_unless_tagged};
use super::link::Link;
use super::not_pushed::NotPushed;
use super::overlay::Overlay;
use super::prefixes::Prefix;
use super::splice::{Base, splice};
use crate::filter::Program;

/// Whether a [`KernelSelection`] for this link type decides anything.
pub fn decides_on(link_type: LinkType) -> bool {
    Link::of(link_type).is_some()
}

/// The frames of a device that are wanted: those that meet all conditions. Without conditions,
/// every frame is wanted.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct KernelSelection<'a> {
    /// The link type of the frames.
    pub link_type: LinkType,
    /// The ports that carry tunnels.
    pub ports: Ports,
    /// Set by [`Self::overlay`].
    pub overlay: Option<&'a Overlay>,
    /// Set by [`Self::expression`].
    pub expression: Option<&'a Program>,
    /// Set by [`Self::inner`].
    pub inner: Option<&'a Program>,
    /// Set by [`Self::inner_cooked`].
    pub inner_cooked: Option<&'a Program>,
    /// Set by [`Self::vnis`].
    pub vnis: &'a [Vni],
    /// Set by [`Self::ends`].
    pub ends: &'a [Prefix],
}

impl Default for KernelSelection<'_> {
    /// Every frame of an Ethernet device.
    fn default() -> Self {
        Self::new(LinkType::ETHERNET)
    }
}

/// A part of a [`KernelSelection`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SelectionPart {
    /// [`KernelSelection::overlay`].
    Overlay,
    /// [`KernelSelection::expression`].
    Expression,
    /// [`KernelSelection::inner`].
    Inner,
    /// [`KernelSelection::vnis`] and [`KernelSelection::ends`].
    InnerHeaders,
}

impl fmt::Display for SelectionPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Overlay => "the choice of overlay traffic",
            Self::Expression => "the expression",
            Self::Inner => "the expression for the inner packet",
            Self::InnerHeaders => "the choice of identifiers and ends",
        })
    }
}

/// The program of a [`KernelSelection`], and what it leaves to user space.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Pushed {
    /// The program, which accepts at least the frames that are wanted. [`Program::with_snaplen`]
    /// sets how many bytes of them.
    pub program: Program,
    /// The conditions that it does not test, each with the reason.
    pub left_out: Vec<(SelectionPart, NotPushed)>,
}

impl<'a> KernelSelection<'a> {
    /// Every frame with this link type: Ethernet, or a cooked header. The program for a cooked
    /// header must go through [`cooked`] before a kernel gets it. For other link types it accepts
    /// everything.
    pub fn new(link_type: LinkType) -> Self {
        Self {
            link_type,
            ports: Ports::default(),
            overlay: None,
            expression: None,
            inner: None,
            inner_cooked: None,
            vnis: &[],
            ends: &[],
        }
    }

    /// The ports that carry tunnels, by default [`Ports::default`].
    #[must_use]
    pub fn ports(mut self, ports: Ports) -> Self {
        self.ports = ports;
        self
    }

    /// Only overlay traffic.
    #[must_use]
    pub fn overlay(mut self, overlay: impl Into<Option<&'a Overlay>>) -> Self {
        self.overlay = overlay.into();
        self
    }

    /// Only frames that this program accepts as they were captured. It is compiled for the link
    /// type.
    #[must_use]
    pub fn expression(mut self, program: impl Into<Option<&'a Program>>) -> Self {
        self.expression = program.into();
        self
    }

    /// Only frames whose innermost frame this program accepts. That is the frame itself where there
    /// is no tunnel. The program is compiled for Ethernet.
    #[must_use]
    pub fn inner(mut self, program: impl Into<Option<&'a Program>>) -> Self {
        self.inner = program.into();
        self
    }

    /// The program of [`Self::inner`], compiled for a link type with a cooked header: it decides
    /// on frames in no tunnel. Without it, they are accepted.
    #[must_use]
    pub fn inner_cooked(mut self, program: impl Into<Option<&'a Program>>) -> Self {
        self.inner_cooked = program.into();
        self
    }

    /// Only tunnel packets with these identifiers. An empty list stands for all packets.
    #[must_use]
    pub fn vnis(mut self, vnis: &'a [Vni]) -> Self {
        self.vnis = vnis;
        self
    }

    /// Only packets with one of these addresses at either end of the innermost packet, also of ARP;
    /// and ICMP errors in no tunnel, since they may quote a tunnel packet with such an end. An
    /// empty list stands for all packets.
    #[must_use]
    pub fn ends(mut self, ends: &'a [Prefix]) -> Self {
        self.ends = ends;
        self
    }

    /// Makes the program. It leaves out what a kernel cannot decide: in the worst case it accepts
    /// everything.
    pub fn program(&self) -> Pushed {
        let mut selection = self.clone();
        let mut left_out = Vec::new();
        loop {
            match selection.assemble() {
                Ok(program) => return Pushed { program, left_out },
                // Of a program that is too long, leave out the largest part.
                Err((None, error)) => match selection.largest() {
                    Some(part) => {
                        selection.leave_out(part);
                        left_out.push((part, error));
                    }
                    None => return Pushed { program: Program::accept_all(), left_out },
                },
                Err((Some(part), error)) => {
                    selection.leave_out(part);
                    left_out.push((part, error));
                }
            }
        }
    }

    /// Makes the program of all parts. An error has the part that it comes from, or none if it
    /// comes from all of them together.
    fn assemble(&self) -> Result<Program, (Option<SelectionPart>, NotPushed)> {
        // The part that is being worked at.
        let mut part = None;
        let Some(link) = Link::of(self.link_type) else { return Ok(Program::accept_all()) };
        let program = build(|asm, accept, reject| {
            if let Some(expression) = self.expression {
                part = Some(SelectionPart::Expression);
                let next = asm.label();
                if !expression.needs_kernel() {
                    put_unless_tagged(asm, next);
                }
                if link.is_cooked() {
                    cooked(expression, self.link_type)?;
                }
                splice(asm, expression, Base::Same, next, reject)?;
                asm.bind(next);
            }
            if let Some(overlay) = self.overlay {
                let next = asm.label();
                overlay.put(asm, link, next, reject);
                asm.bind(next);
            }
            let &Self { ref ports, vnis, ends, inner: program, .. } = self;
            let plain_program = if link.is_cooked() { self.inner_cooked } else { program };
            let inner = Inner { link, ports, vnis, ends, program, plain_program };
            if !inner.is_empty() {
                part = Some(SelectionPart::Inner);
                if let Some(program) = self.inner_cooked.filter(|_| link.is_cooked()) {
                    cooked(program, self.link_type)?;
                }
                inner.put(asm, accept, reject)?;
            }
            part = None;
            asm.goto(accept);
            Ok(())
        });
        program.map_err(|error| (part, error))
    }

    fn leave_out(&mut self, part: SelectionPart) {
        match part {
            SelectionPart::Overlay => self.overlay = None,
            SelectionPart::Expression => self.expression = None,
            SelectionPart::Inner => (self.inner, self.inner_cooked) = (None, None),
            SelectionPart::InnerHeaders => (self.vnis, self.ends) = (&[], &[]),
        }
    }

    /// The part that needs most instructions, roughly.
    fn largest(&self) -> Option<SelectionPart> {
        let length = |program: Option<&Program>| program.map(|p| p.instructions().len());
        let headers = 8 * self.vnis.len() + 16 * self.ends.len();
        [
            (SelectionPart::Expression, length(self.expression)),
            // it is there three times
            (SelectionPart::Inner, length(self.inner).map(|length| 3 * length)),
            (SelectionPart::InnerHeaders, Some(headers).filter(|&length| length > 0)),
            (SelectionPart::Overlay, self.overlay.map(|overlay| 16 * overlay.pods.len())),
        ]
        .into_iter()
        .filter_map(|(part, length)| Some((length?, part)))
        .max_by_key(|&(length, _)| length)
        .map(|(_, part)| part)
    }
}
