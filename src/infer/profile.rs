//! Where a network's time goes.

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
    /// How many there are.
    pub count: usize,
    /// What they take in a run.
    pub time: Duration,
    /// Products of floats that they add up in a run, as far as is known.
    pub float_products: u64,
    /// Products of integers.
    pub integer_products: u64,
}

/// How many operators of a network multiply integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IntegerLayers {
    /// With activations of one byte.
    pub bytes: usize,
    /// With activations of two.
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

/// What this thread has computed so far: unlike the clock's, this time does not run while other work has the
/// processor.
pub(crate) fn thread_time() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the call writes to nothing but `time`.
    if unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) } != 0 {
        return Duration::ZERO;
    }
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or_default(),
        time.tv_nsec as u32,
    )
}

/// Adds the operators up by kind, the dearest first. `times` has one for each node that ran.
pub(crate) fn by_kind(model: &TypedModel, times: &HashMap<usize, Duration>) -> Vec<OperatorTime> {
    let mut kinds: Vec<OperatorTime> = Vec::new();
    for (node, time) in times {
        let node = model.node(*node);
        let name = node.op.name();
        let (float_products, integer_products) = products(model, node);
        match kinds.iter_mut().find(|kind| kind.name == name) {
            Some(kind) => {
                kind.count += 1;
                kind.time += *time;
                kind.float_products += float_products;
                kind.integer_products += integer_products;
            }
            None => kinds.push(OperatorTime {
                name: name.into_owned(),
                count: 1,
                time: *time,
                float_products,
                integer_products,
            }),
        }
    }
    kinds.sort_by_key(|kind| std::cmp::Reverse(kind.time));
    kinds
}

/// Products of floats and of integers in a run of this node.
fn products(model: &TypedModel, node: &TypedNode) -> (u64, u64) {
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
