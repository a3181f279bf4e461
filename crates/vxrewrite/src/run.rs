//! One run of a pipeline: each block is read, each packet goes through the actions, and what is
//! left is written.

use std::io::Read;
use std::time::Duration;

use vxcap::file::Block;
use vxlan::{Decoder, LinkType, OuterFragments, Packet};

use crate::actions::Actions;
use crate::annotate;
use crate::decap::Decap;
use crate::dedup::{Dedup, Point};
use crate::error::Error;
use crate::fragments::{Fragment, Fragments, Key, Step, point};
use crate::inputs::Inputs;
use crate::output::{Carrier, Outgoing, Outputs, Patches, Sinks};
use crate::packet_block::PacketBlock;
use crate::progress::{Observer, Progress};
use crate::report::{Loss, Report};
use crate::to_port::ToPort;

/// The observer is called once in this many packets.
const OBSERVED_EVERY: u64 = 1 << 14;

/// One run of a pipeline.
pub(crate) struct Run<'m> {
    actions: Actions<'m>,
    observer: Option<Observer<'m>>,
    decoder: Decoder,
    fragments: Option<Fragments>,
    dedup: Option<Dedup>,
    report: Report,
    /// The packet's comment and key. The memory of these and of the next fields is reused.
    comment: String,
    key: String,
    /// The packet before and after its addresses are replaced.
    before: Vec<u8>,
    after: Vec<u8>,
    /// What is to be changed in the packet.
    patches: Patches,
    /// [`Actions::is_any`] and [`Actions::chooses`], looked up once.
    acts: bool,
    chooses: bool,
    /// Which outer datagrams are wanted, with the key of their output: decided on their first
    /// fragment.
    followed: OuterFragments<Option<String>>,
}

impl<'m> Run<'m> {
    pub(crate) fn new(actions: Actions<'m>, observer: Option<Observer<'m>>) -> Self {
        let window = |window: Duration| i64::try_from(window.as_nanos()).unwrap_or(i64::MAX);
        Self {
            decoder: Decoder::default().ports(actions.ports.clone()),
            fragments: actions.reassembles().then(Fragments::default),
            dedup: actions.dedup.map(|time| Dedup::new(window(time))),
            report: Report::default(),
            comment: String::new(),
            key: String::new(),
            before: Vec::new(),
            after: Vec::new(),
            patches: Patches::NONE,
            acts: actions.is_any(),
            chooses: actions.chooses(),
            followed: OuterFragments::default(),
            actions,
            observer,
        }
    }

    pub(crate) fn run<R: Read, S: Sinks>(
        mut self,
        mut inputs: Inputs<R>,
        mut outputs: Outputs<S>,
    ) -> Result<(Report, S), Error> {
        let verbatim = outputs.is_verbatim();
        let mut any = false;
        let mut file = 0;
        loop {
            // borrowed in place: moving blocks costs more than reading them
            let next = inputs.next_block(&mut file);
            let Ok(Some(block)) = &next else {
                let Err(damage) = next else { break };
                self.report.damage.push(damage);
                continue;
            };
            any = true;
            let Some(packet) = PacketBlock::of(block) else {
                self.block(file, block, &mut outputs)?;
                continue;
            };
            self.report.read += 1;
            if verbatim {
                self.report.written += 1;
                outputs.raw(block.raw)?;
            } else if self.acts {
                self.packet(file, &packet, &mut outputs)?;
            } else {
                self.report.written += 1;
                let out = Outgoing::as_it_came(file, &packet, self.report.read);
                outputs.packet(None, &out, &mut self.report.losses)?;
            }
            if self.report.read.is_multiple_of(OBSERVED_EVERY)
                && let Some(observer) = &mut self.observer
            {
                let (read, total) = inputs.progress();
                let progress = Progress { packets: self.report.read, read, total };
                if observer(progress).is_break() {
                    return Err(Error::Interrupted);
                }
            }
        }
        let rest = self.fragments.as_mut().map(Fragments::rest);
        self.lone(rest.unwrap_or_default(), &mut outputs)?;
        if !any && let Some(damage) = self.report.damage.pop() {
            return Err(Error::Input(damage));
        }
        self.report.losses.add_many(Loss::Unsorted, inputs.unsorted());
        self.report.losses.add_many(Loss::Unfollowed, self.followed.unfollowed());
        if let Some(anonymizer) = &self.actions.anonymize {
            self.report.unseen = anonymizer.unseen().clone();
        }
        let sinks = outputs.finish(&mut self.report.losses)?;
        Ok((self.report, sinks))
    }

    /// Writes a block that holds no packet.
    fn block<S: Sinks>(
        &mut self,
        file: usize,
        block: &Block<'_>,
        outputs: &mut Outputs<S>,
    ) -> Result<(), Error> {
        let losses = &mut self.report.losses;
        let Some(anonymizer) = &mut self.actions.anonymize else {
            return outputs.block(file, block, losses);
        };
        match anonymizer.block(block, losses) {
            None => Ok(()),
            Some(same) if same.is_empty() => outputs.block(file, block, losses),
            Some(raw) => outputs.block(file, &Block { raw: &raw, ..*block }, losses),
        }
    }

    /// Carries out the actions on a packet.
    #[inline]
    fn packet<S: Sinks>(
        &mut self,
        file: usize,
        packet: &PacketBlock<'_>,
        outputs: &mut Outputs<S>,
    ) -> Result<(), Error> {
        let frame = packet.frame;
        if let Some(select) = &mut self.actions.select
            && !select.wants_frame(frame).map_err(Error::Select)?
        {
            return Ok(());
        }
        let decoded = self.decoder.decode_captured(frame.data, frame.link_type, frame.orig_len);
        if self.fragments.is_some() && Fragments::concerns(&decoded) {
            return self.fragment(file, packet, &decoded, outputs);
        }
        self.decoded(&Current::of(file, packet), &decoded, outputs)
    }

    /// An outer fragment. Once all are there, the whole frame goes on in place of the last one.
    #[cold]
    fn fragment<S: Sinks>(
        &mut self,
        file: usize,
        packet: &PacketBlock<'_>,
        decoded: &Packet<'_>,
        outputs: &mut Outputs<S>,
    ) -> Result<(), Error> {
        let Some(fragments) = &mut self.fragments else { return Ok(()) };
        let key = Key::of(file, packet, decoded);
        let step = fragments.push(file, packet, decoded);
        let time = packet.frame.time.nanos();
        let out = Current::of(file, packet);
        match step {
            Step::Kept => {}
            Step::Whole(link_type) => {
                let others = fragments.take(key);
                let whole = std::mem::take(&mut fragments.whole);
                let again = self.decoder.decode(&whole, link_type);
                if again.tunnel.is_none() {
                    self.as_they_came(others, outputs)?;
                    self.decoded(&out, decoded, outputs)?;
                } else if self.actions.decap.is_some() {
                    self.report.reassembled += 1;
                    let out = Current {
                        data: &whole,
                        orig_len: whole.len() as u32,
                        link_type,
                        changed: true,
                        ..out
                    };
                    self.decoded(&out, &again, outputs)?;
                } else {
                    let whole_len = whole.len() as u32;
                    self.together(
                        &Current { orig_len: whole_len, ..out },
                        &again,
                        &others,
                        outputs,
                    )?;
                }
                if let Some(fragments) = &mut self.fragments {
                    fragments.whole = whole;
                }
            }
            Step::Alone => {
                let others = fragments.take(key);
                self.report.losses.add(Loss::LoneFragments);
                self.lone(others, outputs)?;
                self.decoded(&out, decoded, outputs)?;
            }
        }
        while let Some(expired) = self.fragments.as_mut().and_then(|f| f.expired(time)) {
            self.lone([expired], outputs)?;
        }
        Ok(())
    }

    /// The fragments of a packet that is complete. They stay fragments, but whether they are
    /// wanted, and whether they are copies, is decided on the whole packet. `last`: the fragment
    /// that completed it.
    fn together<S: Sinks>(
        &mut self,
        last: &Current<'_>,
        whole: &Packet<'_>,
        others: &[Fragment],
        outputs: &mut Outputs<S>,
    ) -> Result<(), Error> {
        if !self.is_selected(last, whole)? {
            return Ok(());
        }
        if self.is_copy(last, whole) {
            self.report.merged += others.len() as u64 + 1;
            return Ok(());
        }
        for Fragment { file, block, .. } in others {
            if let Some(packet) = PacketBlock::of(&block.block()) {
                self.act_on_frame(*file, &packet, outputs)?;
            }
        }
        self.act_on_frame(last.file, last.packet, outputs)
    }

    /// Carries out the actions on a captured packet that is wanted.
    fn act_on_frame<S: Sinks>(
        &mut self,
        file: usize,
        packet: &PacketBlock<'_>,
        outputs: &mut Outputs<S>,
    ) -> Result<(), Error> {
        let frame = packet.frame;
        let decoded = self.decoder.decode_captured(frame.data, frame.link_type, frame.orig_len);
        self.act(&Current::of(file, packet), &decoded, outputs)
    }

    /// Fragments whose others are missing.
    fn lone<S: Sinks>(
        &mut self,
        fragments: impl IntoIterator<Item = Fragment>,
        outputs: &mut Outputs<S>,
    ) -> Result<(), Error> {
        for fragment in fragments {
            self.report.losses.add(Loss::LoneFragments);
            self.as_they_came([fragment], outputs)?;
        }
        Ok(())
    }

    /// Fragments go on one by one.
    fn as_they_came<S: Sinks>(
        &mut self,
        fragments: impl IntoIterator<Item = Fragment>,
        outputs: &mut Outputs<S>,
    ) -> Result<(), Error> {
        for Fragment { file, block, .. } in fragments {
            let block = block.block();
            let Some(packet) = PacketBlock::of(&block) else { continue };
            let frame = packet.frame;
            let decoded = self.decoder.decode_captured(frame.data, frame.link_type, frame.orig_len);
            self.decoded(&Current::of(file, &packet), &decoded, outputs)?;
        }
        Ok(())
    }

    /// Whether a decoded packet is selected. If so, `key` becomes the key of its output.
    fn is_selected(&mut self, start: &Current<'_>, packet: &Packet<'_>) -> Result<bool, Error> {
        let frame = start.packet.frame;
        let time = frame.time.nanos();
        let (actions, decoder, key) = (&mut self.actions, &self.decoder, &mut self.key);
        let mut choose = |key: &mut String| {
            let wanted = actions.wants(start.orig_len, packet, decoder)?;
            if let Some(split) = actions.split
                && wanted
            {
                split.key(key, packet, decoder);
            }
            Ok::<bool, Error>(wanted)
        };
        if Fragments::concerns(packet) {
            let chosen =
                self.followed.follow(packet, point(start.file, start.packet), time, || {
                    Ok::<_, Error>(choose(key)?.then(|| key.clone()))
                })?;
            let Some(of_first) = chosen else { return Ok(false) };
            *key = of_first;
            return Ok(true);
        }
        choose(key)
    }

    /// Whether a packet is a copy of an earlier one.
    fn is_copy(&mut self, start: &Current<'_>, packet: &Packet<'_>) -> bool {
        let Some(dedup) = &mut self.dedup else { return false };
        let frame = start.packet.frame;
        let point = Point::new(start.file, frame.interface, packet);
        dedup.is_copy(packet, frame.time.nanos(), point)
    }

    /// Carries out the actions on a decoded packet, if it is selected and no copy.
    #[inline]
    fn decoded<S: Sinks>(
        &mut self,
        start: &Current<'_>,
        decoded: &Packet<'_>,
        outputs: &mut Outputs<S>,
    ) -> Result<(), Error> {
        if self.chooses {
            if !self.is_selected(start, decoded)? {
                return Ok(());
            }
            if self.is_copy(start, decoded) {
                self.report.merged += 1;
                return Ok(());
            }
        }
        self.act(start, decoded, outputs)
    }

    /// Carries out the actions on a packet that is wanted.
    #[inline]
    fn act<S: Sinks>(
        &mut self,
        start: &Current<'_>,
        decoded: &Packet<'_>,
        outputs: &mut Outputs<S>,
    ) -> Result<(), Error> {
        let mut now = *start;
        let mut tunnel = None;
        if let Some(to_port) = self.actions.to_port {
            now.changed |= self.change_port(to_port, decoded);
        }
        if let Some(map) = self.actions.annotate {
            annotate::comment(&mut self.comment, map, decoded, &self.decoder);
        }
        if let Some(decap) = self.actions.decap
            && decoded.tunnel.is_some()
        {
            tunnel = self.take_out(decap, decoded, &mut now);
        }
        if self.actions.anonymize.is_some() {
            self.replace_addresses(&now);
            now.data = &self.after;
            now.changed = true;
        }
        if !self.actions.cut.is_none() {
            let (cut, losses) = (self.actions.cut, &mut self.report.losses);
            now.data = cut.keep(now.data, now.link_type, now.orig_len, &self.decoder, losses);
        }
        let key = self.actions.split.is_some().then_some(self.key.as_str());
        let out = Outgoing {
            file: now.file,
            packet: now.packet,
            data: now.data,
            patches: &self.patches,
            orig_len: now.orig_len,
            link_type: now.link_type,
            tunnel,
            comment: &self.comment,
            changed: now.changed,
            keeps_comments: self.actions.anonymize.is_none(),
            number: self.report.read,
        };
        self.report.written += 1;
        outputs.packet(key, &out, &mut self.report.losses)
    }

    /// Notes the changes for another destination port; whether there are any.
    #[inline]
    fn change_port(&mut self, to_port: ToPort, decoded: &Packet<'_>) -> bool {
        self.patches.clear();
        to_port.patches(decoded, &self.decoder, &self.actions.ports, &mut self.patches);
        let changes = !self.patches.is_empty();
        self.report.reported += u64::from(changes);
        changes
    }

    /// Puts the inner frame in place of the outer one, and returns what it was taken out of.
    #[inline]
    fn take_out<'a>(
        &mut self,
        decap: Decap,
        decoded: &Packet<'a>,
        now: &mut Current<'a>,
    ) -> Option<Carrier> {
        let Some(inner) = decap.inner_frame(decoded, &self.decoder) else {
            self.report.losses.add(Loss::NoLinkType);
            return None;
        };
        now.data = inner.data;
        now.orig_len = inner.orig_len;
        now.link_type = inner.link_type;
        now.changed = true;
        if !self.patches.is_empty() {
            self.patches.cut_front(inner.offset);
        }
        self.report.decapsulated += 1;
        Some(inner.carrier)
    }

    /// Puts the packet with its addresses replaced into `after`.
    fn replace_addresses(&mut self, now: &Current<'_>) {
        let Some(anonymizer) = &mut self.actions.anonymize else { return };
        self.before.clear();
        self.before.extend_from_slice(now.data);
        self.patches.apply(&mut self.before);
        self.patches.clear();
        self.after.clone_from(&self.before);
        let (before, after) = (&self.before, &mut self.after);
        anonymizer.packet(before, after, now.link_type, now.orig_len, &self.actions.ports);
    }
}

impl<'a> Outgoing<'a> {
    /// A packet before any action.
    #[inline]
    fn as_it_came(file: usize, packet: &'a PacketBlock<'a>, number: u64) -> Self {
        Self {
            file,
            packet,
            data: packet.frame.data,
            patches: &Patches::NONE,
            orig_len: packet.frame.orig_len,
            link_type: packet.frame.link_type,
            tunnel: None,
            comment: "",
            changed: false,
            keeps_comments: true,
            number,
        }
    }
}

/// A packet as it is now, between two actions.
#[derive(Clone, Copy)]
struct Current<'a> {
    file: usize,
    packet: &'a PacketBlock<'a>,
    /// Its bytes: those of the block, or of the frame put together.
    data: &'a [u8],
    orig_len: u32,
    link_type: LinkType,
    /// Whether these are not the bytes of the block.
    changed: bool,
}

impl<'a> Current<'a> {
    #[inline]
    fn of(file: usize, packet: &'a PacketBlock<'a>) -> Self {
        let frame = &packet.frame;
        Self {
            file,
            packet,
            data: frame.data,
            orig_len: frame.orig_len,
            link_type: frame.link_type,
            changed: false,
        }
    }
}
