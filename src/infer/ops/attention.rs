//! Makes one operator of each attention with relative positions.
//!
//! The exporter writes it as a dozen: queries, keys and values are cut apart and moved, and the scores of all
//! groups lie in memory at once, three times. Here the scores of four tokens at a time stay in the nearest
//! cache.

use tract_onnx::{
    prelude::{Datum, DatumType, OutletId, TractResult, TypedModel, TypedNode},
    tract_core::ops::{
        array::Gather,
        binary::TypedBinOp,
        change_axes::AxisOp,
        einsum::EinSum,
        math::Add,
        nn::{Softmax, SoftmaxKind},
    },
    tract_hir::internal::InOut,
};

use crate::{
    kernel::{Best, Isa, LANES, Work, exponential, sixteen},
    ops::operator::{Compute, Operator, Scratch, replace, shape},
};

/// Tokens whose scores are computed together.
const ROWS: usize = 4;

/// `softmax(q * k + bias) * v` for `[group][token][q, k, v][head][depth]`, giving `[group][token][head][depth]`.
#[derive(Debug)]
struct Attention {
    isa: Best,
    tokens: usize,
    heads: usize,
    /// A multiple of [`LANES`].
    depth: usize,
    /// `[head][token][other token]`, the last filled up to a multiple of [`LANES`] with what makes a share of
    /// nothing.
    bias: Box<[f32]>,
    groups: usize,
}

/// Replaces every attention of a decluttered model; returns how many.
pub(crate) fn fuse_attention(model: &mut TypedModel, isa: Best) -> TractResult<usize> {
    let mut replaced = 0;
    for node in 0..model.nodes().len() {
        if let Some((attention, input, last)) = find(model, model.node(node), isa) {
            replace(model, last, &[input], attention)?;
            replaced += 1;
        }
    }
    Ok(replaced)
}

/// The attention of this softmax, its input and its last node.
fn find(model: &TypedModel, node: &TypedNode, isa: Best) -> Option<(Operator<Attention>, OutletId, usize)> {
    let softmax = node.op_as::<Softmax>()?;
    if softmax.kind != SoftmaxKind::default() || softmax.quant_output_dt.is_some() {
        return None;
    }
    let sum = model.node(node.inputs[0].node);
    sum.op_as::<TypedBinOp>()?.0.downcast_ref::<Add>()?;
    let constant = |outlet: &OutletId| model.outlet_fact(*outlet).ok()?.konst.clone();
    let bias = sum.inputs.iter().find_map(constant)?;
    let scores = model.node(sum.inputs.iter().find(|input| constant(input).is_none())?.node);
    let product = model.single_succ(node.id).ok()??;
    for inner in [scores, sum] {
        model.single_succ(inner.id).ok()??;
    }
    if product.inputs.first()?.node != node.id {
        return None;
    }
    match (&*expression(model, scores)?, &*expression(model, product)?) {
        ("abcd,abed->abce", "abcd,abde->acbe") | ("abc,adc->abd", "abc,acd->bad") => (),
        _ => return None,
    }
    let moved = part(model, scores.inputs[0], 0)?;
    if part(model, scores.inputs[1], 1)? != moved || part(model, product.inputs[1], 2)? != moved {
        return None;
    }

    // [group, token, 3 * C] -> [group, token, 3, head, depth] -> [3, group, head, token, depth]
    let before = |outlet: OutletId| {
        let node = model.node(outlet.node);
        Some((node.op_as::<AxisOp>()?, *node.inputs.first()?))
    };
    let (AxisOp::Move(2, 3), outlet) = before(moved)? else {
        return None;
    };
    let (AxisOp::Move(2, 0), outlet) = before(outlet)? else {
        return None;
    };
    let split = shape(model, outlet)?;
    let (AxisOp::Reshape(2, _, _), input) = before(outlet)? else {
        return None;
    };
    let [groups, tokens, 3, heads, depth] = split[..] else {
        return None;
    };
    let whole = shape(model, input)?;
    let last_axis = softmax.axes[..] == [node.outputs[0].fact.rank() - 1];
    if whole[..] != [groups, tokens, 3 * heads * depth]
        || depth % LANES != 0
        || !last_axis
        || model.outlet_fact(input).ok()?.datum_type != f32::datum_type()
        || bias.len() != heads * tokens * tokens
        || !bias.shape().ends_with(&[heads, tokens, tokens])
    {
        return None;
    }

    let numbers = bias.try_as_plain_ram().ok()?.as_slice::<f32>().ok()?.to_vec();
    let padded = tokens.next_multiple_of(LANES);
    let mut bias = Vec::with_capacity(heads * tokens * padded);
    for row in numbers.chunks_exact(tokens) {
        bias.extend_from_slice(row);
        bias.resize(bias.len() + padded - tokens, f32::MIN);
    }
    let attention = Attention {
        isa,
        tokens,
        heads,
        depth,
        bias: bias.into(),
        groups,
    };
    let shape = shape(model, product.id.into())?;
    Some((Operator::new(attention, shape), input, product.id))
}

/// What the outlet is one part of, along the first axis, if it is the one of this index.
fn part(model: &TypedModel, outlet: OutletId, index: i64) -> Option<OutletId> {
    let node = model.node(outlet.node);
    if node.op_as::<Gather>()?.axis != 0 {
        return None;
    }
    let at = model.outlet_fact(node.inputs[1]).ok()?.konst.clone()?;
    let at = at.cast_to::<i64>().ok()?.into_owned();
    (at.rank() == 0 && at.try_as_plain_ram().ok()?.as_slice::<i64>().ok()? == [index])
        .then_some(node.inputs[0])
}

/// The expression of a product of two, with letters in the order of their appearance and without axes of
/// length one.
fn expression(model: &TypedModel, node: &TypedNode) -> Option<String> {
    let product = node.op_as::<EinSum>()?;
    if product.q_params.is_some() || node.inputs.len() != 2 {
        return None;
    }
    let mut known: Vec<char> = Vec::new();
    let mut text = String::new();
    let operands = [
        (InOut::In(0), node.inputs[0], ""),
        (InOut::In(1), node.inputs[1], ","),
        (InOut::Out(0), node.id.into(), "->"),
    ];
    for (operand, outlet, sign) in operands {
        text.push_str(sign);
        let shape = shape(model, outlet)?;
        for (position, length) in shape.iter().enumerate() {
            if *length == 1 {
                continue;
            }
            let axis = product.axes.axis((operand, position)).ok()?.repr;
            let index = known.iter().position(|other| *other == axis).unwrap_or_else(|| {
                known.push(axis);
                known.len() - 1
            });
            text.push(char::from(b'a' + u8::try_from(index).ok()?));
        }
    }
    Some(text)
}

impl Compute for Attention {
    const NAME: &'static str = "Attention";

    fn products(&self) -> (DatumType, usize) {
        let scores = self.groups * self.heads * self.tokens * self.tokens;
        (f32::datum_type(), 2 * scores * self.depth)
    }

    fn compute(&self, inputs: &[&[f32]], to: &mut [f32], scratch: &mut Scratch) {
        // What fills keys up must be a number, whatever stood there.
        scratch.numbers.clear();
        let size = (self.depth + ROWS) * self.tokens.next_multiple_of(LANES);
        scratch.numbers.resize(size, 0.0);
        self.isa.run(Attend {
            attention: self,
            from: inputs[0],
            to,
            scratch: &mut scratch.numbers,
        });
    }
}

struct Attend<'a> {
    attention: &'a Attention,
    from: &'a [f32],
    to: &'a mut [f32],
    scratch: &'a mut [f32],
}

impl Work for Attend<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        let Attention {
            tokens, heads, depth, ..
        } = *self.attention;
        let channels = heads * depth;
        let padded = tokens.next_multiple_of(LANES);
        let (keys, scores) = self.scratch.split_at_mut(depth * padded);
        let groups = self.from.chunks_exact(tokens * 3 * channels);
        for (from, to) in groups.zip(self.to.chunks_exact_mut(tokens * channels)) {
            for head in 0..heads {
                turn_keys(&from[channels + head * depth..], 3 * channels, depth, keys);
                for first in (0..tokens).step_by(ROWS) {
                    // Rows past the end repeat the last one; their results are dropped.
                    // Plain loops: what fills an array by a closure is not inlined.
                    let mut queries: [&[f32]; ROWS] = [&[]; ROWS];
                    let mut bias: [&[f32]; ROWS] = [&[]; ROWS];
                    for row in 0..ROWS {
                        let token = (first + row).min(tokens - 1);
                        queries[row] = &from[token * 3 * channels + head * depth..][..depth];
                        bias[row] = &self.attention.bias[(head * tokens + token) * padded..][..padded];
                    }
                    multiply_keys::<I>(queries, keys, bias, scores);
                    let mut factors = [0.0; ROWS];
                    for (row, factor) in scores.chunks_exact_mut(padded).zip(&mut factors) {
                        *factor = 1.0 / exponentials::<I>(row);
                    }
                    let values = &from[2 * channels + head * depth..];
                    for start in (0..depth).step_by(LANES) {
                        let sums = multiply_values::<I>(scores, &values[start..], 3 * channels, tokens);
                        for (row, sums) in sums.iter().enumerate().take(tokens - first) {
                            let at = (first + row) * channels + head * depth + start;
                            if let Some(to) = to[at..].first_chunk_mut() {
                                I::store(I::multiply(*sums, I::splat(factors[row])), to);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Lays keys, one in each stretch of `stride` numbers, out as `[token / 16][depth][16 tokens]`.
#[inline(always)]
fn turn_keys(from: &[f32], stride: usize, depth: usize, to: &mut [f32]) {
    let panels = to.chunks_exact_mut(depth * LANES);
    for (panel, from) in panels.zip(from.chunks(LANES * stride)) {
        let (columns, _) = panel.as_chunks_mut::<LANES>();
        for (lane, key) in from.chunks(stride).enumerate() {
            for (column, number) in columns.iter_mut().zip(key) {
                // A lane that the compiler knows to exist.
                column[lane % LANES] = *number;
            }
        }
    }
}

/// Scores of some queries: products with keys, plus bias.
#[inline(always)]
fn multiply_keys<I: Isa>(queries: [&[f32]; ROWS], keys: &[f32], bias: [&[f32]; ROWS], scores: &mut [f32]) {
    let padded = bias[0].len();
    let [first, second, third, fourth] = queries;
    let panels = keys.chunks_exact(first.len() * LANES);
    for (start, panel) in (0..padded).step_by(LANES).zip(panels) {
        let mut sums = [I::splat(0.0); ROWS];
        for (sum, bias) in sums.iter_mut().zip(&bias) {
            *sum = I::load(sixteen(&bias[start..]));
        }
        let queries = first.iter().zip(second).zip(third.iter().zip(fourth));
        for (keys, ((a, b), (c, d))) in panel.as_chunks().0.iter().zip(queries) {
            let keys = I::load(keys);
            for (sum, number) in sums.iter_mut().zip([a, b, c, d]) {
                *sum = I::multiply_add(I::splat(*number), keys, *sum);
            }
        }
        for (row, sum) in scores.chunks_exact_mut(padded).zip(&sums) {
            if let Some(to) = row[start..].first_chunk_mut() {
                I::store(*sum, to);
            }
        }
    }
}

/// Turns scores into exponentials, the largest becoming one; returns their sum.
#[inline(always)]
fn exponentials<I: Isa>(scores: &mut [f32]) -> f32 {
    let (chunks, _) = scores.as_chunks_mut::<LANES>();
    let mut largest = I::splat(f32::MIN);
    for chunk in &*chunks {
        largest = I::larger(I::load(chunk), largest);
    }
    let largest = I::splat(I::largest(largest));
    let mut sums = I::splat(0.0);
    for chunk in chunks {
        let numbers = exponential::<I>(I::subtract(I::load(chunk), largest));
        I::store(numbers, chunk);
        sums = I::multiply_add(numbers, I::splat(1.0), sums);
    }
    I::sum(sums)
}

/// Sums of values by the exponentials of each row.
#[inline(always)]
fn multiply_values<I: Isa>(
    scores: &[f32],
    values: &[f32],
    stride: usize,
    tokens: usize,
) -> [I::Floats; ROWS] {
    let padded = scores.len() / ROWS;
    let mut rows: [&[f32]; ROWS] = [&[]; ROWS];
    for (row, to) in rows.iter_mut().enumerate() {
        *to = &scores[row * padded..][..tokens];
    }
    let [first, second, third, fourth] = rows;
    let shares = first.iter().zip(second).zip(third.iter().zip(fourth));
    let mut sums = [I::splat(0.0); ROWS];
    for (values, ((a, b), (c, d))) in values.chunks(stride).zip(shares) {
        let values = I::load(sixteen(values));
        for (sum, share) in sums.iter_mut().zip([a, b, c, d]) {
            *sum = I::multiply_add(I::splat(*share), values, *sum);
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tract_onnx::{
        prelude::{DatumExt, Tensor, tvec},
        tract_core::ops::math::add,
        tract_hir::internal::SpecialOps,
    };

    use super::*;
    use crate::testing::{noise, run};

    /// As the exporter writes it; `parts` are the places of queries, keys and values.
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
            ("first", AxisOp::Move(2, 0)),
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
        let product = |expression: &str| EinSum::new(expression.parse().unwrap(), f32::datum_type());
        let scores = model
            .wire_node("scores", product("abmk,abnk->abmn"), &[q, k])
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
            .wire_node("values", product("abmk,abkn->ambn"), &[softmax, v])
            .unwrap();
        model.select_output_outlets(&last).unwrap();
        model
    }

    #[test]
    fn one_operator_gives_the_same() {
        for (groups, tokens, heads, depth) in [(4, 9, 3, 16), (1, 49, 2, 32), (3, 16, 2, 48), (2, 5, 3, 16)] {
            let input = noise(&[groups, tokens, 3 * heads * depth], 0.37, 3.0);
            let expected = run(model(groups, tokens, heads, depth, [0, 1, 2]), &input);
            for isa in Best::all() {
                let mut changed = model(groups, tokens, heads, depth, [0, 1, 2]);
                assert_eq!(fuse_attention(&mut changed, isa).unwrap(), 1);
                let changed = changed.into_optimized().unwrap();
                assert!(
                    !changed
                        .nodes()
                        .iter()
                        .any(|node| node.op_is::<EinSum>() || node.op_is::<Softmax>())
                );
                expected.close_enough(&run(changed, &input), true).unwrap();
            }
        }
    }

    #[test]
    fn what_is_cut_otherwise_is_left_alone() {
        for parts in [[1, 0, 2], [0, 2, 1]] {
            let mut other = model(4, 9, 3, 16, parts);
            assert_eq!(fuse_attention(&mut other, Best::detect()).unwrap(), 0);
        }
        // No whole vectors.
        assert_eq!(
            fuse_attention(&mut model(4, 9, 3, 8, [0, 1, 2]), Best::detect()).unwrap(),
            0
        );
    }
}
