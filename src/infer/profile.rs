//! Profiles a network by kind of operator.

use std::time::Duration;

use tract_onnx::{
    prelude::{DatumType, TDim, TVec, TypedModel, TypedNode},
    tract_hir::tract_core::ops::Cost,
};

use crate::ops::Compute;

/// All operators of one kind in one network.
#[derive(Debug, Clone, PartialEq)]
pub struct OperatorTime {
    /// The kind's name.
    pub name: String,
    /// Number of such operators.
    pub count: usize,
    /// Their total time in one run.
    pub time: Duration,
    /// Multiply-accumulates of floats in one run, where known.
    pub float_macs: u64,
    /// Multiply-accumulates of integers.
    pub integer_macs: u64,
}

/// How many operators of a network multiply integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IntegerLayers {
    /// With one-byte activations.
    pub int8: usize,
    /// With two-byte activations.
    pub int16: usize,
}

impl IntegerLayers {
    /// Counts them.
    pub(crate) fn of(model: &TypedModel) -> Self {
        let mut layers = Self::default();
        for (cost, _) in model.nodes().iter().flat_map(|node| costs(model, node)) {
            match cost {
                Cost::FMA(DatumType::I8) => layers.int8 += 1,
                Cost::FMA(DatumType::I16) => layers.int16 += 1,
                _ => (),
            }
        }
        layers
    }
}

/// CPU time of this thread. Unlike wall-clock time, it does not advance while other threads run.
pub(crate) fn thread_time() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the call writes only to `time`.
    if unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) } != 0 {
        return Duration::ZERO;
    }
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or_default(),
        time.tv_nsec as u32,
    )
}

/// The time of one operator.
pub(crate) struct Profiled {
    name: String,
    time: Duration,
    float_macs: u64,
    integer_macs: u64,
}

impl Profiled {
    /// The time of a tract node.
    pub(crate) fn node(model: &TypedModel, node: usize, time: Duration) -> Self {
        let node = model.node(node);
        let mut profiled = Self::new(&node.op.name(), time);
        for (cost, count) in costs(model, node) {
            if let Cost::FMA(operands) = cost {
                profiled.add(operands, count.to_i64().map_or(0, i64::unsigned_abs));
            }
        }
        profiled
    }

    /// The time of a step of a program.
    pub(crate) fn step(op: &dyn Compute, time: Duration) -> Self {
        let mut profiled = Self::new(op.name(), time);
        let (operands, macs) = op.macs();
        profiled.add(operands, macs as u64);
        profiled
    }

    fn new(name: &str, time: Duration) -> Self {
        Self {
            name: name.to_owned(),
            time,
            float_macs: 0,
            integer_macs: 0,
        }
    }

    fn add(&mut self, operands: DatumType, macs: u64) {
        match operands {
            DatumType::I8 | DatumType::I16 => self.integer_macs += macs,
            _ => self.float_macs += macs,
        }
    }
}

/// Sums up operators by kind, the most expensive kind first.
pub(crate) fn by_kind(operators: impl Iterator<Item = Profiled>) -> Vec<OperatorTime> {
    let mut kinds: Vec<OperatorTime> = Vec::new();
    for operator in operators {
        let kind = match kinds.iter_mut().find(|kind| kind.name == operator.name) {
            Some(kind) => kind,
            None => {
                kinds.push(OperatorTime {
                    name: operator.name,
                    count: 0,
                    time: Duration::ZERO,
                    float_macs: 0,
                    integer_macs: 0,
                });
                let last = kinds.len() - 1;
                &mut kinds[last]
            }
        };
        kind.count += 1;
        kind.time += operator.time;
        kind.float_macs += operator.float_macs;
        kind.integer_macs += operator.integer_macs;
    }
    kinds.sort_by_key(|kind| std::cmp::Reverse(kind.time));
    kinds
}

fn costs(model: &TypedModel, node: &TypedNode) -> TVec<(Cost, TDim)> {
    model
        .node_input_facts(node.id)
        .and_then(|facts| node.op.cost(&facts))
        .unwrap_or_default()
}
