//! The checksums of a packet whose addresses change: what each of them covers, and how it is
//! mended.

use crate::internet_checksum::{Change, as_udp, sum};

/// A checksum field, and what it covers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Site {
    /// Where the field stands.
    pub(super) field: usize,
    /// What it covers, as far as it was captured.
    pub(super) start: usize,
    pub(super) end: usize,
    /// Whether all that it covers was captured.
    pub(super) is_whole: bool,
    /// The sum of the original pseudo header, if there is one and its length is known; and its
    /// change.
    pub(super) pseudo_sum: Option<u16>,
    pub(super) pseudo: Change,
    /// Whether it is a UDP checksum, where 0 means that there is none.
    pub(super) is_udp: bool,
    /// What changes between this site and the next one.
    after: Change,
}

impl Site {
    /// A checksum without a pseudo header.
    pub(super) const fn new(field: usize, start: usize, end: usize, is_whole: bool) -> Self {
        Self {
            field,
            start,
            end,
            is_whole,
            pseudo_sum: None,
            pseudo: Change::NONE,
            is_udp: false,
            after: Change::NONE,
        }
    }
}

/// The changes in a packet and the checksums that cover them, from the outside to the inside.
///
/// Levels are nested: whatever changes after a site was found lies within the bytes that it covers.
/// So one pass from the inside to the outside mends all checksums.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    sites: Vec<Site>,
}

/// A checksum that is left to hardware, and the new value of its field.
struct Partial {
    start: usize,
    old: u16,
    new: u16,
    /// What changed before it, within the levels passed so far.
    before: Change,
}

impl Ledger {
    pub(super) fn clear(&mut self) {
        self.sites.clear();
    }

    /// A checksum was found.
    pub(super) fn site(&mut self, site: Site) {
        self.sites.push(site);
    }

    /// Notes that bytes at an offset were replaced.
    pub(super) fn changed(&mut self, at: usize, old: &[u8], new: &[u8]) {
        if let Some(site) = self.sites.last_mut() {
            site.after = site.after.and(Change::of_bytes(old, new).at(at));
        }
    }

    /// Mends all checksums: a right one stays right, a wrong one stays wrong by the same amount, a
    /// partial one stays partial, and zero stays zero.
    pub(super) fn settle(&mut self, old: &[u8], new: &mut [u8]) {
        let mut inside = Change::NONE;
        let mut partial: Option<Partial> = None;
        let (mut covered, mut before) = (Sum::default(), Sum::default());
        for site in self.sites.iter().rev() {
            inside = inside.and(site.after);
            if let Some(partial) = &mut partial {
                partial.before = partial.before.and(site.after);
            }
            let Some(place) = new.get_mut(site.field..).and_then(<[u8]>::first_chunk_mut) else {
                continue;
            };
            if site.field + 2 > site.end {
                continue;
            }
            let field = u16::from_be_bytes(*place);
            if site.is_udp && field == 0 {
                continue;
            }
            let pseudo_sum = site.pseudo_sum.unwrap_or_default();
            // Local checksum offload (Linux, lco_csum()): from the start of its checksum on, the
            // inner packet counts as the complement of its checksum field, because that is what it
            // will add up to.
            let offloaded = partial.as_ref().filter(|partial| {
                site.is_whole
                    && Change::of_sum(pseudo_sum)
                        .and(before.of(old, site.start, partial.start))
                        .and(Change::of_sum(!partial.old).at(partial.start + site.start))
                        .is_all_ones()
            });
            let mended = if let Some(partial) = offloaded {
                let word = Change::of_word(!partial.old, !partial.new).at(partial.start);
                site.pseudo.and(partial.before.and(word).at(site.start)).mend(field)
            } else if site.pseudo_sum == Some(field)
                && !(site.is_whole
                    && Change::of_sum(field)
                        .and(covered.of(old, site.start, site.end))
                        .is_all_ones())
            {
                let new = site.pseudo.add_to(field);
                before = Sum::default();
                partial =
                    Some(Partial { start: site.start, old: field, new, before: Change::NONE });
                new
            } else {
                site.pseudo.and(inside.at(site.start)).mend(field)
            };
            let mended = if site.is_udp { as_udp(mended) } else { mended };
            *place = mended.to_be_bytes();
            let own = Change::of_word(field, mended).at(site.start);
            inside = inside.and(own);
            if let Some(partial) = &mut partial
                && partial.start != site.start
            {
                partial.before = partial.before.and(own);
            }
        }
    }
}

/// The sum of a range, which is remembered: the next range contains it, so each byte is summed once
/// for all levels.
#[derive(Default)]
struct Sum {
    known: Option<(usize, usize)>,
    sum: Change,
}

impl Sum {
    /// The sum of `bytes[start..end]`, as if `start` were even.
    fn of(&mut self, bytes: &[u8], start: usize, end: usize) -> Change {
        let part =
            |from: usize, to: usize| Change::of_sum(bytes.get(from..to).map_or(0, sum)).at(from);
        self.sum = match self.known {
            Some((from, to)) if start <= from && to <= end => {
                self.sum.and(part(start, from)).and(part(to, end))
            }
            _ => part(start, end),
        };
        self.known = Some((start, end));
        self.sum.at(start)
    }
}
