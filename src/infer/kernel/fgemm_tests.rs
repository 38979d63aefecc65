//! Compares the float product with its formula in f64.
use super::*;

fn noise(count: usize, step: f32) -> Vec<f32> {
    (0..count).map(|n| (n as f32 * step).sin()).collect()
}

/// The product in f64.
fn expected(rows: &FloatRows<'_>, weights: &[f32], bias: &[f32], count: usize) -> Vec<f64> {
    let inputs = weights.len() / bias.len();
    let mut results = Vec::new();
    for row in 0..count {
        let values: Vec<f32> = rows
            .starts
            .iter()
            .flat_map(|start| &rows.values[start + row * rows.step..][..rows.length])
            .copied()
            .collect();
        for (weights, bias) in weights.chunks_exact(inputs).zip(bias) {
            let products = weights.iter().zip(&values);
            let sum: f64 = products.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            results.push(sum + f64::from(*bias));
        }
    }
    results
}

#[test]
fn the_result_is_that_of_the_formula_for_any_number_of_rows_and_outputs() {
    for level in SimdLevel::all_supported() {
        for outputs in [1, 7, 16, 17, 24, 32, 42, 48, 63, 64, 96] {
            for (count, inputs) in [(1, 3), (5, 1), (8, 24), (13, 17), (64, 9)] {
                let (weights, bias) = (noise(outputs * inputs, 0.7), noise(outputs, 1.3));
                let values = noise(count * inputs, 0.37);
                let rows = FloatRows::contiguous(&values, inputs);
                let packed = FloatWeights::new(level, &weights, &bias);
                let residual = noise(count * outputs, 0.9);
                for with_residual in [false, true] {
                    for activation in [Activation::Identity, Activation::Relu] {
                        let mut results = vec![f32::NAN; count * outputs];
                        let added = with_residual.then_some(&residual[..]);
                        fgemm(&packed, rows, added, activation, &mut results);
                        let sums = expected(&rows, &weights, &bias, count);
                        for (index, (result, sum)) in results.iter().zip(sums).enumerate() {
                            let mut sum = sum + added.map_or(0.0, |added| f64::from(added[index]));
                            if activation == Activation::Relu {
                                sum = sum.max(0.0);
                            }
                            assert!(
                                (f64::from(*result) - sum).abs() < 1e-4,
                                "{level:?}, {count} rows, {outputs} outputs, {index}: {result}, not {sum}"
                            );
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn rows_may_overlap_and_consist_of_several_stretches() {
    let (weights, bias) = (noise(24 * 15, 0.7), noise(24, 1.3));
    let values = noise(200, 0.37);
    let rows = FloatRows {
        values: &values,
        step: 2,
        starts: &[60, 0, 130],
        length: 5,
    };
    let sums = expected(&rows, &weights, &bias, 11);
    for level in SimdLevel::all_supported() {
        let packed = FloatWeights::new(level, &weights, &bias);
        let mut results = vec![f32::NAN; 11 * 24];
        fgemm(&packed, rows, None, Activation::Identity, &mut results);
        for (result, sum) in results.iter().zip(&sums) {
            assert!(
                (f64::from(*result) - sum).abs() < 1e-4,
                "{level:?}: {result}, not {sum}"
            );
        }
    }
}
