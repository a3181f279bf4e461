//! An assembler for classic BPF, with labels and jumps of any length.

use super::not_pushed::NotPushed;
use crate::filter::instruction::Op;
use crate::filter::{Instruction, MAX_KERNEL_INSTRUCTIONS, MAX_SNAPLEN, Program};

/// A place in a program, to be bound to the item that follows. All jumps go forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Label(usize);

/// The item that follows the jump.
pub(super) const NEXT: Label = Label(usize::MAX);

#[derive(Clone, Copy, Debug)]
enum Item {
    /// Anything but a jump.
    Plain(Op, u32),
    /// A conditional jump.
    Branch {
        op: Op,
        k: u32,
        yes: Label,
        no: Label,
    },
    Goto(Label),
    Bind(Label),
}

/// A program under construction.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    items: Vec<Item>,
    labels: usize,
}

/// The program of `code`, which goes to its first label to accept a packet, and to the second to
/// reject it.
pub(super) fn build(
    code: impl FnOnce(&mut Assembler, Label, Label) -> Result<(), NotPushed>,
) -> Result<Program, NotPushed> {
    let mut asm = Assembler::default();
    let (accept, reject) = (asm.label(), asm.label());
    code(&mut asm, accept, reject)?;
    asm.bind(accept);
    asm.put(Op::Return, MAX_SNAPLEN);
    asm.bind(reject);
    asm.put(Op::Return, 0);
    asm.finish()
}

/// The limit of items. No program that a kernel takes has more.
const MOST_ITEMS: usize = 8 * MAX_KERNEL_INSTRUCTIONS;

/// The longest conditional jump, in instructions: `jt` and `jf` have 8 bits.
const LONGEST_BRANCH: usize = u8::MAX as usize;

impl Assembler {
    /// A new label.
    pub(super) fn label(&mut self) -> Label {
        self.labels += 1;
        Label(self.labels - 1)
    }

    /// Binds the label to the item that is put next.
    pub(super) fn bind(&mut self, label: Label) {
        self.items.push(Item::Bind(label));
    }

    /// Puts an instruction that does not jump.
    pub(super) fn put(&mut self, op: Op, k: u32) {
        debug_assert!(!op.is_conditional() && op != Op::Jump);
        self.items.push(Item::Plain(op, k));
    }

    /// Puts a conditional jump.
    pub(super) fn branch(&mut self, op: Op, k: u32, yes: Label, no: Label) {
        debug_assert!(op.is_conditional());
        self.items.push(Item::Branch { op, k, yes, no });
    }

    /// Jumps to `label` where A is one of `values`, and goes to the next item otherwise.
    pub(super) fn if_any(&mut self, values: impl IntoIterator<Item = u32>, label: Label) {
        for value in values {
            self.branch(Op::JumpEqual, value, label, NEXT);
        }
    }

    /// Goes to the next item where A is `value`, and jumps to `label` otherwise.
    pub(super) fn unless(&mut self, value: u32, label: Label) {
        self.branch(Op::JumpEqual, value, NEXT, label);
    }

    /// Jumps.
    pub(super) fn goto(&mut self, label: Label) {
        self.items.push(Item::Goto(label));
    }

    /// Makes the program.
    pub(super) fn finish(self) -> Result<Program, NotPushed> {
        if self.items.len() > MOST_ITEMS {
            return Err(NotPushed::TooLong { instructions: self.items.len() });
        }
        let items = reachable(&threaded(self.items, self.labels), self.labels);
        let mut long = vec![(false, false); items.len()];
        loop {
            let places = Places::new(&items, &long, self.labels);
            if places.length > MAX_KERNEL_INSTRUCTIONS {
                return Err(NotPushed::TooLong { instructions: places.length });
            }
            if !places.lengthen(&items, &mut long) {
                return Ok(Program::new(places.instructions(&items, &long))?);
            }
        }
    }
}

/// Makes jumps to a Goto lead to the target of the Goto.
fn threaded(mut items: Vec<Item>, labels: usize) -> Vec<Item> {
    // From the end, so that the target of a Goto's label is known at the Goto.
    let mut stands_for: Vec<Label> = (0..labels).map(Label).collect();
    let mut behind = None;
    for item in items.iter_mut().rev() {
        let find = |label: Label| stands_for.get(label.0).copied().unwrap_or(label);
        match item {
            Item::Bind(label) => {
                if let (Some(known), Some(behind)) = (stands_for.get_mut(label.0), behind) {
                    *known = behind;
                }
            }
            Item::Goto(label) => {
                *label = find(*label);
                behind = Some(*label);
            }
            Item::Branch { yes, no, .. } => {
                (*yes, *no) = (find(*yes), find(*no));
                behind = None;
            }
            Item::Plain(..) => behind = None,
        }
    }
    items
}

/// The items that can be reached. Jumps go forward, so one pass finds them.
fn reachable(all: &[Item], labels: usize) -> Vec<Item> {
    let mut jumped_to = vec![false; labels];
    // Whether the jump leads to the next item.
    let jump = |label: Label, jumped_to: &mut [bool]| {
        if let Some(jumped_to) = jumped_to.get_mut(label.0) {
            *jumped_to = true;
        }
        label == NEXT
    };
    let mut reached = true;
    let mut items = Vec::with_capacity(all.len());
    for &item in all {
        match item {
            Item::Bind(label) => reached |= jumped_to.get(label.0).copied().unwrap_or(false),
            _ if !reached => continue,
            Item::Branch { yes, no, .. } => {
                reached = jump(yes, &mut jumped_to) | jump(no, &mut jumped_to);
            }
            Item::Goto(label) => reached = jump(label, &mut jumped_to),
            Item::Plain(op, _) => reached = !matches!(op, Op::Return | Op::ReturnA),
        }
        items.push(item);
    }
    items
}

/// The places of all items, for one choice of which branches are long.
struct Places {
    /// For each item, the index of its first instruction.
    starts: Vec<usize>,
    /// For each label, the first item after it that is not a Bind or a Goto.
    targets: Vec<Option<usize>>,
    /// How many instructions there are.
    length: usize,
}

impl Places {
    fn new(items: &[Item], long: &[(bool, bool)], labels: usize) -> Self {
        // From the end, so that the target of a Goto's label is known at the Goto.
        let mut targets: Vec<Option<usize>> = vec![None; labels];
        let mut behind = None;
        let mut omitted = vec![false; items.len()];
        for (index, item) in items.iter().enumerate().rev() {
            match *item {
                Item::Bind(label) => {
                    if let Some(target) = targets.get_mut(label.0) {
                        *target = behind;
                    }
                }
                Item::Goto(label) => {
                    let target = targets.get(label.0).copied().flatten();
                    // A jump to the next item needs no instruction.
                    omitted[index] = target == behind;
                    behind = target;
                }
                Item::Plain(..) | Item::Branch { .. } => behind = Some(index),
            }
        }
        let mut starts = Vec::with_capacity(items.len());
        let mut length = 0;
        for ((item, long), omitted) in items.iter().zip(long).zip(omitted) {
            starts.push(length);
            length += match item {
                Item::Bind(_) => 0,
                Item::Goto(_) => usize::from(!omitted),
                Item::Plain(..) => 1,
                Item::Branch { .. } => 1 + usize::from(long.0) + usize::from(long.1),
            };
        }
        Self { starts, targets, length }
    }

    /// The item that a jump from item `from` to `label` leads to. `None` if the label is not bound,
    /// or bound to an earlier item.
    fn target(&self, from: usize, label: Label) -> Option<usize> {
        if label == NEXT {
            return Some(from + 1);
        }
        self.targets.get(label.0).copied().flatten().filter(|&target| target > from)
    }

    fn start(&self, item: Option<usize>) -> usize {
        // A jump without a target leads beyond the program, so that the finished program is
        // refused.
        item.and_then(|item| self.starts.get(item).copied()).unwrap_or(self.length)
    }

    /// Makes branches long whose targets are too far. Long ones stay long, so that this ends.
    fn lengthen(&self, items: &[Item], long: &mut [(bool, bool)]) -> bool {
        let mut changed = false;
        for (index, item) in items.iter().enumerate() {
            let Item::Branch { yes, no, .. } = *item else { continue };
            let far = |label| {
                self.start(self.target(index, label)).saturating_sub(self.starts[index] + 1)
                    > LONGEST_BRANCH
            };
            let wanted = (long[index].0 || far(yes), long[index].1 || far(no));
            changed |= wanted != long[index];
            long[index] = wanted;
        }
        changed
    }

    fn instructions(&self, items: &[Item], long: &[(bool, bool)]) -> Vec<Instruction> {
        let mut list = Vec::with_capacity(self.length);
        for (index, item) in items.iter().enumerate() {
            match *item {
                Item::Bind(_) => {}
                Item::Plain(op, k) => list.push(Instruction::new(op, k)),
                Item::Goto(label) => {
                    let end = self.starts.get(index + 1).copied().unwrap_or(self.length);
                    if end > list.len() {
                        list.push(self.jump(items, list.len(), self.target(index, label)));
                    }
                }
                Item::Branch { op, k, yes, no } => {
                    let here = list.len();
                    let (yes, no) = (self.target(index, yes), self.target(index, no));
                    let distance = |target| self.start(target).wrapping_sub(here + 1) as u8;
                    // A long one goes to a jump directly after the branch.
                    let (long_yes, long_no) = long[index];
                    list.push(Instruction {
                        code: op as u16,
                        jt: if long_yes { 0 } else { distance(yes) },
                        jf: if long_no { u8::from(long_yes) } else { distance(no) },
                        k,
                    });
                    for (long, target) in [(long_yes, yes), (long_no, no)] {
                        if long {
                            list.push(self.jump(items, list.len(), target));
                        }
                    }
                }
            }
        }
        list
    }

    /// The instruction at `here` that goes to an item: a jump, or a copy of the item if it is a
    /// return.
    fn jump(&self, items: &[Item], here: usize, target: Option<usize>) -> Instruction {
        match target.and_then(|target| items.get(target)) {
            Some(&Item::Plain(op @ (Op::Return | Op::ReturnA), k)) => Instruction::new(op, k),
            _ => Instruction::new(Op::Jump, self.start(target).wrapping_sub(here + 1) as u32),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::Ancillary;

    /// Accepts where A is one of `count` values, tested one after the other.
    fn chain(count: u32) -> Result<Program, NotPushed> {
        let mut asm = Assembler::default();
        let accept = asm.label();
        asm.put(Op::LoadWord, 0);
        for value in 0..count {
            // something that makes the items longer than one instruction
            asm.put(Op::Add, 1);
            asm.branch(Op::JumpEqual, value * 2 + 1, accept, NEXT);
        }
        asm.put(Op::Return, 0);
        asm.bind(accept);
        asm.put(Op::Return, 1);
        asm.finish()
    }

    #[test]
    fn long_jumps_lead_where_short_ones_do() {
        for count in [1, 10, 126, 127, 128, 129, 130, 500] {
            let program = chain(count).expect("a program");
            for value in [0, 1, count / 2, count - 1, count, count + 1] {
                let accepted = program.matches(&value.to_be_bytes(), 4);
                assert_eq!(accepted, value < count, "{value} of {count}");
            }
            let bare = count as usize * 2 + 3;
            // a jump takes an instruction where it is needed, and nowhere else
            let far = program.instructions().len() - bare;
            assert_eq!(far > 0, count > 128, "{count}: {far} long jumps");
        }
    }

    #[test]
    fn both_ways_of_a_branch_can_be_long() {
        let mut asm = Assembler::default();
        let (yes, no) = (asm.label(), asm.label());
        asm.put(Op::LoadByte, 0);
        asm.branch(Op::JumpEqual, 7, yes, no);
        for label in [yes, no] {
            asm.bind(label);
            (0..300).for_each(|_| asm.put(Op::Add, 1));
            if label == yes {
                asm.put(Op::Return, 7);
            }
        }
        // the first 300 additions stand between the branch and `no`
        asm.put(Op::ReturnA, 0);
        let program = asm.finish().expect("a program");
        assert_eq!(program.run(&[7], 1), 7);
        assert_eq!(program.run(&[8], 1), 308);
        assert_eq!(program.run_as_kernel(&[8], Ancillary::default()), 308);
    }

    #[test]
    fn what_cannot_be_reached_is_left_out() {
        let mut asm = Assembler::default();
        let (end, never) = (asm.label(), asm.label());
        asm.goto(end);
        asm.bind(never);
        asm.put(Op::LoadWord, 0);
        asm.goto(never);
        asm.bind(end);
        asm.put(Op::Return, 5);
        let program = asm.finish().expect("a program");
        assert_eq!(program.to_string(), "(000) ret      #5");
    }

    #[test]
    fn what_is_too_long_is_refused() {
        assert!(chain(1000).is_ok());
        let refused = |count| match chain(count) {
            Err(NotPushed::TooLong { instructions }) => instructions,
            other => panic!("{other:?}"),
        };
        assert!(refused(2100) > MAX_KERNEL_INSTRUCTIONS);
        assert!(refused(1_000_000) > MAX_KERNEL_INSTRUCTIONS);
    }

    #[test]
    fn a_label_that_is_bound_nowhere_or_before_is_refused() {
        let mut asm = Assembler::default();
        let label = asm.label();
        asm.goto(label);
        asm.put(Op::Return, 0);
        assert!(matches!(asm.finish(), Err(NotPushed::Invalid(_))));

        let mut asm = Assembler::default();
        let label = asm.label();
        asm.bind(label);
        asm.put(Op::LoadWord, 0);
        asm.branch(Op::JumpEqual, 0, label, NEXT);
        asm.put(Op::Return, 0);
        assert!(matches!(asm.finish(), Err(NotPushed::Invalid(_))));
    }
}
