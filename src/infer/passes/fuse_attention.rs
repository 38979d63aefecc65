//! Fuses scaled dot-product attention with relative position bias into one operator.
//!
//! The exporter writes it as a dozen nodes, which split and transpose queries, keys and values and hold the
//! scores of all groups in memory three times.

use tract_onnx::{
    prelude::{TractResult, TypedModel, TypedNode, tvec},
    tract_core::ops::{
        array::Gather,
        change_axes::AxisOp,
        einsum::EinSum,
        math::Add,
        nn::{Softmax, SoftmaxKind},
    },
    tract_hir::internal::InOut,
};

use super::{
    Context, Pass,
    patterns::Value,
    rewrite::{Match, replace_all},
};
use crate::{
    kernel::SimdLevel,
    ops::{Attention, TractOp},
};

/// Replaces the subgraph around each softmax.
pub(super) struct FuseAttention;

impl Pass for FuseAttention {
    fn name(&self) -> &'static str {
        "fuse attention"
    }

    fn run(&self, model: &mut TypedModel, context: &Context) -> TractResult<usize> {
        replace_all(model, |model, node| find(model, node, context.level))
    }
}

/// `softmax(q * k + bias) * v`, with `q`, `k` and `v` split from one tensor.
fn find(model: &TypedModel, node: &TypedNode, level: SimdLevel) -> Option<Match<Attention>> {
    let softmax = node.op_as::<Softmax>()?;
    if softmax.kind != SoftmaxKind::default()
        || softmax.quant_output_dt.is_some()
        || softmax.axes[..] != [node.outputs[0].fact.rank() - 1]
    {
        return None;
    }
    let sum = Value::new(model, node.inputs[0]).single_use()?;
    let (bias, scores) = sum.constant_operand::<Add>()?;
    scores.single_use()?;
    let product = Value::new(model, model.single_succ(node.id).ok()??.id);
    if product.input(0)?.outlet.node != node.id {
        return None;
    }
    match (&*einsum_expression(scores)?, &*einsum_expression(product)?) {
        ("abcd,abed->abce", "abcd,abde->acbe") | ("abc,adc->abd", "abc,acd->bad") => (),
        _ => return None,
    }
    let parts = part(scores.input(0)?, 0)?;
    if part(scores.input(1)?, 1)? != parts || part(product.input(1)?, 2)? != parts {
        return None;
    }
    // [group, token, 3 * channels] -> [group, token, 3, head, depth] -> [3, group, head, token, depth]
    let split = parts.before_move(2, 3)?.before_move(2, 0)?;
    let AxisOp::Reshape(2, _, _) = split.op::<AxisOp>()? else {
        return None;
    };
    let input = split.input(0)?;
    let [groups, tokens, 3, heads, depth] = split.shape()?[..] else {
        return None;
    };
    let bias_tensor = sum.operands::<Add>()?.into_iter().find_map(Value::tensor)?;
    if input.shape()?[..] != [groups, tokens, 3 * heads * depth]
        || !bias_tensor.shape().ends_with(&[heads, tokens, tokens])
        || !input.is_f32()
    {
        return None;
    }
    let attention = Attention::new(level, [groups, tokens, heads, depth], &bias)?;
    Some(Match {
        op: TractOp::new(attention, product.shape()?),
        inputs: tvec!(input.outlet),
        last: product.outlet.node,
    })
}

/// The value of which this is the part with this index along the first axis.
fn part(value: Value<'_>, index: i64) -> Option<Value<'_>> {
    if value.op::<Gather>()?.axis != 0 {
        return None;
    }
    let indices = value.input(1)?.tensor()?;
    let indices = indices.cast_to::<i64>().ok()?.into_owned();
    let is_index = indices.rank() == 0 && indices.try_as_plain_ram().ok()?.as_slice::<i64>().ok()? == [index];
    value.input(0).filter(|_| is_index)
}

/// The expression of an einsum of two operands, with axes named in order of appearance and without those of
/// length 1.
fn einsum_expression(value: Value<'_>) -> Option<String> {
    let einsum = value.op::<EinSum>()?;
    if einsum.q_params.is_some() || value.node().inputs.len() != 2 {
        return None;
    }
    let mut known: Vec<char> = Vec::new();
    let mut text = String::new();
    let operands = [
        (InOut::In(0), value.input(0)?, ""),
        (InOut::In(1), value.input(1)?, ","),
        (InOut::Out(0), value, "->"),
    ];
    for (operand, value, sign) in operands {
        text.push_str(sign);
        for (position, length) in value.shape()?.iter().enumerate() {
            if *length == 1 {
                continue;
            }
            let axis = einsum.axes.axis((operand, position)).ok()?.repr;
            let index = known.iter().position(|other| *other == axis).unwrap_or_else(|| {
                known.push(axis);
                known.len() - 1
            });
            text.push(char::from(b'a' + u8::try_from(index).ok()?));
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tract_onnx::{
        prelude::{Datum as _, DatumExt as _, Tensor},
        tract_core::ops::math::add,
        tract_hir::internal::SpecialOps as _,
    };

    use super::*;
    use crate::testing::{apply, apply_at, noise, run};

    /// As the exporter writes it; `parts` are the indices of queries, keys and values.
    fn model(groups: usize, tokens: usize, heads: usize, depth: usize, parts: [i64; 3]) -> TypedModel {
        let mut model = TypedModel::default();
        let channels = heads * depth;
        let mut outlet = model
            .add_source("qkv", f32::fact([groups, tokens, 3 * channels]))
            .unwrap();
        let split = AxisOp::Reshape(
            2,
            tvec!((3 * channels).into()),
            tvec!(3.into(), heads.into(), depth.into()),
        );
        for (name, op) in [
            ("split", split),
            ("parts", AxisOp::Move(2, 0)),
            ("heads", AxisOp::Move(2, 3)),
        ] {
            outlet = model.wire_node(name, op, &[outlet]).unwrap()[0];
        }
        let [q, k, v] = parts.map(|part| {
            let index = model
                .add_const(format!("index{part}"), Tensor::from(part))
                .unwrap();
            let gather = Gather::new(0);
            model
                .wire_node(format!("part{part}"), gather, &[outlet, index])
                .unwrap()[0]
        });
        let einsum = |expression: &str| EinSum::new(expression.parse().unwrap(), f32::datum_type());
        let scores = model
            .wire_node("scores", einsum("abmk,abnk->abmn"), &[q, k])
            .unwrap()[0];
        let bias = model
            .add_const("bias", noise(&[1, heads, tokens, tokens], 0.3, 3.0))
            .unwrap();
        let sum = model.wire_node("sum", add(), &[scores, bias]).unwrap()[0];
        let softmax = Softmax {
            axes: tvec!(3),
            ..Softmax::default()
        };
        let softmax = model.wire_node("softmax", softmax, &[sum]).unwrap()[0];
        let last = model
            .wire_node("values", einsum("abmk,abkn->ambn"), &[softmax, v])
            .unwrap();
        model.select_output_outlets(&last).unwrap();
        model
    }

    #[test]
    fn the_result_is_that_of_the_subgraph() {
        for (groups, tokens, heads, depth) in [(4, 9, 3, 16), (1, 49, 2, 32), (3, 16, 2, 48), (2, 5, 3, 16)] {
            let input = noise(&[groups, tokens, 3 * heads * depth], 0.37, 3.0);
            let expected = run(model(groups, tokens, heads, depth, [0, 1, 2]), &input);
            for level in SimdLevel::all_supported() {
                let mut fused = model(groups, tokens, heads, depth, [0, 1, 2]);
                assert_eq!(apply_at(&FuseAttention, &mut fused, level), 1);
                let fused = fused.into_optimized().unwrap();
                assert!(
                    !fused
                        .nodes()
                        .iter()
                        .any(|node| node.op_is::<EinSum>() || node.op_is::<Softmax>())
                );
                expected.close_enough(&run(fused, &input), true).unwrap();
            }
        }
    }

    #[test]
    fn other_orders_of_queries_keys_and_values_are_left_to_tract() {
        for parts in [[1, 0, 2], [0, 2, 1]] {
            let mut other = model(4, 9, 3, 16, parts);
            assert_eq!(apply(&FuseAttention, &mut other), 0);
        }
        // The depth is not a multiple of the vector length.
        let mut other = model(4, 9, 3, 8, [0, 1, 2]);
        assert_eq!(apply(&FuseAttention, &mut other), 0);
    }
}
