//! Sums each channel over all positions, with the channels of a position side by side.

use tract_onnx::{
    prelude::{Datum, DatumType, TractResult, TypedModel, TypedModelPatch, TypedNode},
    tract_core::ops::nn::{Reduce, Reducer},
};

use super::{
    kernel::{Best, Isa, Work},
    operator::{Compute, Operator, Scratch, shape},
};

/// `[position][channel]` to `[channel]`.
#[derive(Debug)]
struct ChannelSums {
    isa: Best,
    channels: usize,
    positions: usize,
}

/// Replaces every sum over all axes but the last of a decluttered model; returns how many.
pub(super) fn sum_channels(model: &mut TypedModel, isa: Best) -> TractResult<usize> {
    let mut replaced = 0;
    for node in 0..model.nodes().len() {
        if let Some(sums) = find(model, model.node(node), isa) {
            let mut patch = TypedModelPatch::default();
            let input = patch.tap_model(model, model.node(node).inputs[0])?;
            let name = format!("{}.channels", model.node(node).name);
            let output = patch.wire_node(name, sums, &[input])?;
            patch.shunt_outside(model, node.into(), output[0])?;
            patch.apply(model)?;
            replaced += 1;
        }
    }
    Ok(replaced)
}

fn find(model: &TypedModel, node: &TypedNode, isa: Best) -> Option<Operator<ChannelSums>> {
    let reduce = node.op_as::<Reduce>()?;
    let from = shape(model, node.inputs[0])?;
    let channels = *from.last()?;
    let mut axes = reduce.axes.clone();
    axes.sort_unstable();
    if reduce.reducer != Reducer::Sum
        || channels < 2
        || !axes.iter().copied().eq(0..from.len() - 1)
        || model.outlet_fact(node.inputs[0]).ok()?.datum_type != f32::datum_type()
    {
        return None;
    }
    let sums = ChannelSums {
        isa,
        channels,
        positions: from.iter().product::<usize>() / channels,
    };
    Some(Operator::new(sums, shape(model, node.id.into())?))
}

impl Compute for ChannelSums {
    const NAME: &'static str = "ChannelSums";

    fn products(&self) -> (DatumType, usize) {
        (f32::datum_type(), self.channels * self.positions)
    }

    fn compute(&self, inputs: &[&[f32]], to: &mut [f32], _: &mut Scratch) {
        self.isa.run(Add { from: inputs[0], to });
    }
}

struct Add<'a> {
    from: &'a [f32],
    to: &'a mut [f32],
}

impl Work for Add<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        self.to.fill(0.0);
        for position in self.from.chunks_exact(self.to.len()) {
            for (sum, number) in self.to.iter_mut().zip(position) {
                *sum += number;
            }
        }
    }
}
