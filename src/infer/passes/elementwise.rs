//! Replaces tract's remaining operators with those of this crate, so that a network consisting only of the
//! latter can be compiled to a program.

use tract_onnx::{
    prelude::{OutletId, TVec, TractResult, TypedModel, TypedNode, tvec},
    tract_core::ops::{
        array::TypedConcat,
        element_wise::ElementWiseOp,
        math::{Add, Mul, Tanh},
        nn::{Sigmoid, Silu},
    },
};

use super::{
    Context, Pass,
    patterns::{Value, match_layer_norm},
    rewrite::{Match, replace_all},
};
use crate::{
    kernel::SimdLevel,
    ops::{Combination, Combine, Concat, Elementwise, Function, LayerNormalize, TractOp},
};

/// Replaces functions of single elements, and sums and products that at most repeat one operand as a whole.
pub(super) struct ReplaceElementwise;

impl Pass for ReplaceElementwise {
    fn name(&self) -> &'static str {
        "elementwise"
    }

    fn run(&self, model: &mut TypedModel, context: &Context) -> TractResult<usize> {
        let level = context.level;
        let functions = replace_all(model, |model, node| match_function(model, node, level))?;
        let combinations = replace_all(model, |model, node| match_combination(model, node, level))?;
        Ok(functions + combinations)
    }
}

/// Replaces layer normalizations along the last axis.
pub(super) struct ReplaceLayerNorm;

impl Pass for ReplaceLayerNorm {
    fn name(&self) -> &'static str {
        "layer normalization"
    }

    fn run(&self, model: &mut TypedModel, context: &Context) -> TractResult<usize> {
        replace_all(model, |model, node| {
            let value = Value::new(model, node.id);
            let shape = value.shape()?;
            let (norm, input) = match_layer_norm(value, *shape.last()?)?;
            let length = shape.iter().product();
            let op = LayerNormalize {
                level: context.level,
                norm,
                length,
            };
            Some(Match {
                op: TractOp::new(op, shape),
                inputs: tvec!(input),
                last: node.id,
            })
        })
    }
}

/// Replaces concatenations of contiguous tensors.
pub(super) struct ReplaceConcat;

impl Pass for ReplaceConcat {
    fn name(&self) -> &'static str {
        "concatenation"
    }

    fn run(&self, model: &mut TypedModel, _: &Context) -> TractResult<usize> {
        replace_all(model, |model, node| {
            let TypedConcat { axis } = node.op_as::<TypedConcat>()?;
            let value = Value::new(model, node.id);
            let shape = value.shape()?;
            let is_first = shape[..*axis].iter().all(|length| *length == 1);
            (is_first && value.is_f32()).then(|| Match {
                op: TractOp::new(Concat, shape),
                inputs: node.inputs.clone().into(),
                last: node.id,
            })
        })
    }
}

/// The function of single elements at a node.
fn match_function(model: &TypedModel, node: &TypedNode, level: SimdLevel) -> Option<Match<Elementwise>> {
    let value = Value::new(model, node.id);
    let (function, input) = if let Some(ElementWiseOp(op, None)) = node.op_as::<ElementWiseOp>() {
        let function = if op.is::<Sigmoid>() {
            Function::Sigmoid
        } else if op.is::<Silu>() {
            Function::Silu
        } else if op.is::<Tanh>() {
            Function::Tanh
        } else {
            return None;
        };
        (function, value.input(0)?)
    } else {
        let (constant, input) = value.constant_operand::<Mul>()?;
        let [factor] = constant[..] else {
            return None;
        };
        (Function::Scale(factor), input)
    };
    let shape = value.shape()?;
    let same = input.shape()? == shape && value.is_f32();
    same.then(|| Match {
        op: TractOp::new(Elementwise { level, function }, shape),
        inputs: tvec!(input.outlet),
        last: node.id,
    })
}

/// The sum or product at a node.
fn match_combination(model: &TypedModel, node: &TypedNode, level: SimdLevel) -> Option<Match<Combine>> {
    let value = Value::new(model, node.id);
    let (combination, [a, b]) = match (value.operands::<Add>(), value.operands::<Mul>()) {
        (Some(operands), _) => (Combination::Sum, operands),
        (_, Some(operands)) => (Combination::Product, operands),
        _ => return None,
    };
    let shape = value.shape()?;
    let inputs = if repeats(&b.shape()?, &shape) && a.shape()? == shape {
        [a, b]
    } else if repeats(&a.shape()?, &shape) && b.shape()? == shape {
        [b, a]
    } else {
        return None;
    };
    let inputs: TVec<OutletId> = inputs.into_iter().map(|input| input.outlet).collect();
    let op = Combine { level, combination };
    value.is_f32().then(|| Match {
        op: TractOp::new(op, shape),
        inputs,
        last: node.id,
    })
}

/// Whether broadcasting a tensor to a shape repeats it as a whole, and it has more than one element.
fn repeats(from: &[usize], to: &[usize]) -> bool {
    let start = from.iter().position(|length| *length > 1).unwrap_or(from.len());
    from.len() == to.len() && from[start..] == to[start..] && start < from.len()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tract_onnx::{
        prelude::DatumExt as _,
        tract_core::ops::{
            array::TypedConcat,
            math::{add, mul, tanh},
            nn::{sigmoid, silu::silu},
        },
        tract_hir::internal::SpecialOps as _,
    };

    use super::*;
    use crate::testing::{apply_at, assert_near, noise, run};

    fn compare(pass: &dyn Pass, before: &TypedModel, input: [usize; 3], replaced: usize) {
        for level in SimdLevel::all_supported() {
            let mut after = before.clone();
            assert_eq!(apply_at(pass, &mut after, level), replaced);
            let input = noise(&input, 0.7, 30.0);
            assert_near(&run(after, &input), &run(before.clone(), &input), 1e-6, level);
        }
    }

    #[test]
    fn functions_compute_the_same() {
        for (name, function) in [("sigmoid", sigmoid()), ("silu", silu()), ("tanh", tanh())] {
            let mut model = TypedModel::default();
            let source = model.add_source("source", f32::fact([3, 7, 5])).unwrap();
            let last = model.wire_node(name, function, &[source]).unwrap();
            model.select_output_outlets(&last).unwrap();
            compare(&ReplaceElementwise, &model, [3, 7, 5], 1);
        }
    }

    #[test]
    fn sums_and_products_compute_the_same() {
        for shape in [[3, 7, 5], [1, 7, 5], [1, 1, 5], [1, 1, 1]] {
            for name in ["sum", "product"] {
                let mut model = TypedModel::default();
                let source = model.add_source("source", f32::fact([3, 7, 5])).unwrap();
                let other = model.add_const("other", noise(&shape, 0.9, 2.0)).unwrap();
                let op = if name == "sum" { add() } else { mul() };
                let last = model.wire_node(name, op, &[other, source]).unwrap();
                model.select_output_outlets(&last).unwrap();
                let known = shape != [1, 1, 1] || name == "product";
                compare(&ReplaceElementwise, &model, [3, 7, 5], usize::from(known));
            }
        }
    }

    #[test]
    fn concatenations_along_the_first_axis_are_replaced() {
        for (axis, replaced) in [(0, 1), (1, 0)] {
            let mut model = TypedModel::default();
            let source = model.add_source("source", f32::fact([2, 3, 4])).unwrap();
            let concat = TypedConcat { axis };
            let last = model
                .wire_node("concat", concat, &[source, source, source])
                .unwrap();
            model.select_output_outlets(&last).unwrap();
            compare(&ReplaceConcat, &model, [2, 3, 4], replaced);
        }
    }
}
