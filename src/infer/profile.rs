//! Profiles a network by kind of operator.

use std::{collections::HashMap, time::Duration};

use tract_onnx::{
    prelude::{DatumType, TDim, TVec, TypedModel, TypedNode},
    tract_hir::tract_core::ops::Cost,
};

/// All operators of one kind in one network.
#[derive(Debug, Clone, PartialEq)]
pub struct OperatorTime {
    /// The kind's name.
    pub name: String,
    /// Number of such operators.
    pub count: usize,
    /// Their time in one run.
    pub time: Duration,
    /// Multiply-accumulates of floats in one run, as far as is known.
    pub float_macs: u64,
    /// Multiply-accumulates of integers.
    pub integer_macs: u64,
}

/// How many operators of a network multiply integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IntegerLayers {
    /// With one-byte activations.
    pub bytes: usize,
    /// With two-byte activations.
    pub words: usize,
}

impl IntegerLayers {
    /// Counts them.
    pub(crate) fn of(model: &TypedModel) -> Self {
        let mut layers = Self::default();
        for (cost, _) in model.nodes().iter().flat_map(|node| costs(model, node)) {
            match cost {
                Cost::FMA(DatumType::I8) => layers.bytes += 1,
                Cost::FMA(DatumType::I16) => layers.words += 1,
                _ => (),
            }
        }
        layers
    }
}

/// CPU time of this thread: unlike a clock, it stands still while other threads have the processor.
pub(crate) fn thread_time() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the call writes to `time` alone.
    if unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) } != 0 {
        return Duration::ZERO;
    }
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or_default(),
        time.tv_nsec as u32,
    )
}

/// Sums up the nodes by kind, the most expensive kind first. `times` has one entry for each node that ran.
pub(crate) fn by_kind(model: &TypedModel, times: &HashMap<usize, Duration>) -> Vec<OperatorTime> {
    let mut kinds: Vec<OperatorTime> = Vec::new();
    for (node, time) in times {
        let node = model.node(*node);
        let name = node.op.name();
        let (float_macs, integer_macs) = macs(model, node);
        match kinds.iter_mut().find(|kind| kind.name == name) {
            Some(kind) => {
                kind.count += 1;
                kind.time += *time;
                kind.float_macs += float_macs;
                kind.integer_macs += integer_macs;
            }
            None => kinds.push(OperatorTime {
                name: name.into_owned(),
                count: 1,
                time: *time,
                float_macs,
                integer_macs,
            }),
        }
    }
    kinds.sort_by_key(|kind| std::cmp::Reverse(kind.time));
    kinds
}

/// Multiply-accumulates of floats and of integers in one run of this node.
fn macs(model: &TypedModel, node: &TypedNode) -> (u64, u64) {
    let (mut floats, mut integers) = (0, 0);
    for (cost, count) in costs(model, node) {
        let count = count.to_i64().map_or(0, i64::unsigned_abs);
        match cost {
            Cost::FMA(DatumType::I8 | DatumType::I16) => integers += count,
            Cost::FMA(_) => floats += count,
            _ => (),
        }
    }
    (floats, integers)
}

fn costs(model: &TypedModel, node: &TypedNode) -> TVec<(Cost, TDim)> {
    model
        .node_input_facts(node.id)
        .and_then(|facts| node.op.cost(&facts))
        .unwrap_or_default()
}
