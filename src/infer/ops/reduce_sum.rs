//! Sums each channel over all positions, with the channels of a position side by side.

use tract_onnx::{
    prelude::{Datum, DatumType, TractResult, TypedModel, TypedNode},
    tract_core::ops::nn::{Reduce, Reducer},
};

use crate::{
    kernel::{Best, Isa, Work},
    ops::operator::{Compute, Operator, Scratch, replace, shape},
};

/// `[position][channel]` to `[channel]`.
#[derive(Debug)]
struct ChannelSums {
    isa: Best,
    channels: usize,
    positions: usize,
}

/// Replaces every sum over all axes but the last of a decluttered model; returns how many.
pub(crate) fn sum_channels(model: &mut TypedModel, isa: Best) -> TractResult<usize> {
    let mut replaced = 0;
    for node in 0..model.nodes().len() {
        if let Some(sums) = find(model, model.node(node), isa) {
            let input = model.node(node).inputs[0];
            replace(model, node, &[input], sums)?;
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tract_onnx::{
        prelude::{DatumExt, IntoRunnable, IntoTValue, Tensor, tvec},
        tract_hir::internal::SpecialOps,
    };

    use super::*;

    fn model(shape: &[usize], axes: &[usize]) -> TypedModel {
        let mut model = TypedModel::default();
        let source = model.add_source("source", f32::fact(shape)).unwrap();
        let reduce = Reduce {
            axes: axes.iter().copied().collect(),
            reducer: Reducer::Sum,
        };
        let last = model.wire_node("sum", reduce, &[source]).unwrap();
        model.select_output_outlets(&last).unwrap();
        model
    }

    #[test]
    fn sums_stay_what_they_are() {
        for shape in [[5, 7, 48], [1, 1, 3], [12, 12, 20]] {
            let numbers: Vec<f32> = (0..shape.iter().product::<usize>())
                .map(|n| (n as f32 * 0.7).sin())
                .collect();
            let input = Tensor::from_shape(&shape, &numbers).unwrap();
            let run = |model: TypedModel| {
                let input = tvec!(input.clone().into_tvalue());
                model.into_runnable().unwrap().run(input).unwrap().remove(0)
            };
            for isa in Best::all() {
                let mut changed = model(&shape, &[0, 1]);
                assert_eq!(sum_channels(&mut changed, isa).unwrap(), 1);
                run(model(&shape, &[0, 1]))
                    .close_enough(&run(changed), true)
                    .unwrap();
            }
        }
    }

    #[test]
    fn other_sums_are_left_alone() {
        for axes in [&[0][..], &[1, 2], &[0, 1, 2]] {
            assert_eq!(
                sum_channels(&mut model(&[5, 7, 48], axes), Best::detect()).unwrap(),
                0
            );
        }
    }
}
